import { describe, expect, it } from '@jest/globals';
import { diffusion, ddpmBetas } from '../../src/diffusion/betas.js';
import { mixtureOf } from '../../src/diffusion/prediction.js';
import { initialHeads, type HeadPlan } from '../../src/exits/heads.js';
import { initialUncertainty, type Uncertainty } from '../../src/exits/uncertainty.js';
import { mixtureFeeds } from '../../src/training/target.js';
import { familyOf } from '../../src/backbones/families.js';
import type { Feeds } from '../../src/engine/engine.js';
import { tf } from '../../src/engine/tf.js';
import { queryInputs } from '../../src/exits/model.js';
import { features, runAll } from '../../src/exits/run.js';
import { calibrateStep } from '../../src/schedules/calibrate.js';
import { uploadAll } from '../fixtures.js';
import { plainUncertainties } from '../exits/plainUncertainty.js';
import { rowsOf } from '../plain.js';
import { labelQuery } from '../queries.js';
import { uncertaintyStep } from '../../src/training/uncertaintyStep.js';
import {
  eager,
  expectSame,
  feedsFor,
  livelyWeights,
  moved,
  onnx,
  runSteps,
  spec,
  steady,
  type Training,
} from './tiny.js';

const plans: readonly HeadPlan[] = [
  { kind: 'adapter', exit: 1, bottleneck: 4 },
  { kind: 'shared', exit: 2 },
];
const backbone = livelyWeights();
const frozen = { ...backbone, ...moved(initialHeads(spec, plans, backbone, 1), 0.05) };
const training = (plan: Uncertainty): Training => ({
  step: uncertaintyStep({ spec, plans }, plan, steady),
  weights: moved(initialUncertainty(spec, plan, 1), 0.02),
  frozen,
});
const forms: readonly Uncertainty[] = [
  { form: 'log-excess', exits: [1, 2], bottleneck: 4 },
  { form: 'deediff', exits: [1, 2] },
];

describe('a step of training uncertainty heads', () => {
  it.each(forms)('moves all of them compiled as it does eagerly: $form', async (plan) => {
    const feeds = [3, 2].map((batch, index) => feedsFor(spec, batch, index));
    expectSame(
      await runSteps(onnx, training(plan), feeds),
      await runSteps(eager, training(plan), feeds),
      2e-5,
    );
  });

  it.each(forms)('lowers the loss of the same batch: $form', async (plan) => {
    const feeds = Array.from({ length: 30 }, () => ({ ...feedsFor(spec, 4, 0), lr: 0.02 }));
    const { results } = await runSteps(onnx, training(plan), feeds);
    const [first, last] = [results.at(0)?.['loss'] ?? NaN, results.at(-1)?.['loss'] ?? NaN];
    expect(last).toBeLessThan(0.7 * first);
    // The sum of its parts.
    expect((results[0]?.['exit/1'] ?? NaN) + (results[0]?.['exit/2'] ?? NaN)).toBeCloseTo(first, 4);
  });

  it.each(forms)('loses at each exit what its formula says of the error there: $form', async (plan) => {
    const feeds = feedsFor(spec, 3, 0);
    const { results } = await runSteps(onnx, training(plan), [feeds]);
    const { errors, said } = await errorsAndSaid(plan, feeds);
    const lost = errors.map((row, k) => {
      const each = row.map((error, i) => {
        const u = said[k]?.[i] ?? NaN;
        return plan.form === 'deediff' ? (u - error) ** 2 : error / u - Math.log(error / u) - 1;
      });
      return each.reduce((sum, value) => sum + value, 0) / each.length;
    });
    expect([results[0]?.['exit/1'], results[0]?.['exit/2']]).toBeAllClose(lost, 1e-4);
  });

  it.each(forms)('is held against the same numbers: $form', async (plan) => {
    const feeds = feedsFor(spec, 3, 0);
    const { weights } = training(plan);
    const step = await onnx.compile(calibrateStep({ spec, plans }, plan), {
      state: {},
      batch: queryInputs(spec),
      frozen: { ...frozen, ...weights },
    });
    const { predicted, measured } = await step({ x: feeds['x']!, t: feeds['t']!, y: feeds['y']! });
    await step.dispose();
    const { errors, said } = await errorsAndSaid(plan, feeds);
    // By sample, then by exit.
    const columns = (of: readonly (readonly number[])[]): number[] =>
      (of[0] ?? []).flatMap((_, i) => of.map((row) => row[i] ?? NaN));
    expect(measured?.data).toBeAllClose(columns(errors), 1e-4);
    expect(predicted?.data).toBeAllClose(columns(said), 1e-4);
  });

  it('counts errors in units of the noise, whatever the backbone predicts', async () => {
    const process = diffusion({ ...ddpmBetas, steps: spec.timeSteps, prediction: 'v' });
    const [plan] = forms;
    const own: Training = {
      ...training(plan!),
      of: { ...spec, prediction: 'v' },
      step: uncertaintyStep({ spec: { ...spec, prediction: 'v' }, plans }, plan!, steady),
    };
    // Every sample at one time: the squared error is a constant there, of v a, times that of the prediction itself.
    const t = new Float32Array(3).fill(60);
    const feeds = { ...feedsFor(spec, 3, 0), t };
    const [seen] = (await runSteps(onnx, own, [{ ...feeds, ...mixtureFeeds(process, t) }])).results;
    const [plain] = (await runSteps(onnx, training(plan!), [feeds])).results;
    const factor = 1 / mixtureOf('v', process.alphasCumprod[60] ?? NaN).noise ** 2;
    expect(factor).toBeCloseTo(process.alphasCumprod[60] ?? NaN, 6);
    const shift = Math.log(factor);
    // The loss knows an excess by its ratio to what the head says: errors f times as large are heads that say 1/f as much.
    const at = await runSteps(onnx, shifted(plan!, shift), [feeds]);
    expect([seen?.['exit/1'], seen?.['exit/2']]).toBeAllClose(
      [at.results[0]?.['exit/1'] ?? NaN, at.results[0]?.['exit/2'] ?? NaN],
      1e-4,
    );
    expect(Math.abs((seen?.['exit/1'] ?? NaN) - (plain?.['exit/1'] ?? NaN))).toBeGreaterThan(0.01);
  });
});

/** How far each exit is from full depth, and what its head says of that, by exit and sample, in plain loops. */
async function errorsAndSaid(
  plan: Uncertainty,
  feeds: Feeds,
): Promise<{ readonly errors: number[][]; readonly said: number[][] }> {
  await tf.setBackend('cpu');
  const [t, y] = [feeds['t'] as Float32Array, feeds['y'] as Int32Array];
  const count = t.length;
  const { weights } = training(plan);
  return tf.tidy(() => {
    const bound = familyOf(spec).bind(spec, uploadAll(backbone));
    const query = labelQuery(
      tf.tensor4d(feeds['x'] as Float32Array, [count, 1, 8, 8]),
      tf.tensor1d(t),
      tf.tensor1d(y, 'int32'),
    );
    const [first, second, full] = runAll(bound, { plans, weights: uploadAll(frozen) }, query).map(
      ({ prediction }) => rowsOf(prediction.dataSync(), 64),
    );
    if (!first || !second || !full) throw new Error('two exits and full depth');
    const errors = [first, second].map((rows) =>
      rows.map((row, i) => {
        const apart = row.map((value, j) => Math.abs(value - (full[i]?.[j] ?? NaN)));
        const each = apart.map((d) => (plan.form === 'deediff' ? Math.tanh(d) : d * d));
        return each.reduce((sum, value) => sum + value, 0) / each.length;
      }),
    );
    const said = [...features(bound, query, plan.exits).states].map(([exit, { hidden }]) =>
      plainUncertainties(spec, plan.form, exit, weights, hidden.dataSync(), t),
    );
    return { errors, said };
  });
}

/** The same with heads that say exp(-shift) as much. */
function shifted(plan: Uncertainty, shift: number): Training {
  const { weights, ...rest } = training(plan);
  const up = Object.entries(weights).map(
    ([name, { shape, data }]): [string, { shape: readonly number[]; data: Float32Array }] => [
      name,
      {
        shape,
        data: name.endsWith('up.bias')
          ? Float32Array.from(data, (value) => value - shift)
          : Float32Array.from(data),
      },
    ],
  );
  return { ...rest, weights: Object.fromEntries(up) };
}
