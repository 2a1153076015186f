import { describe, expect, it } from '@jest/globals';
import { diffusion, ddpmBetas } from '../../src/diffusion/betas.js';
import { mixtureOf } from '../../src/diffusion/prediction.js';
import { initialHeads, type HeadPlan } from '../../src/exits/heads.js';
import { initialUncertainty, type Uncertainty } from '../../src/exits/uncertainty.js';
import { mixtureFeeds } from '../../src/training/target.js';
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
