import { beforeAll, describe, expect, it } from '@jest/globals';
import { trainable } from '../../src/backbones/init.js';
import { ditSpec, specJson } from '../../src/backbones/spec.js';
import { ddpmBetas, diffusion } from '../../src/diffusion/betas.js';
import { addNoise } from '../../src/diffusion/forward.js';
import { predictionKinds, type PredictionKind } from '../../src/diffusion/prediction.js';
import type { Feeds } from '../../src/engine/engine.js';
import type { HostTensors } from '../../src/engine/tensors.js';
import { tf } from '../../src/engine/tf.js';
import { initialHeads, type HeadPlan } from '../../src/exits/heads.js';
import { runAll } from '../../src/exits/run.js';
import { familyOf } from '../../src/backbones/families.js';
import { stream } from '../../src/random.js';
import { profileInputs, profileStep } from '../../src/schedules/profileStep.js';
import { pretrainStep } from '../../src/training/pretrainStep.js';
import { mixtureFeeds } from '../../src/training/target.js';
import { uploadAll } from '../fixtures.js';
import { labelQuery } from '../queries.js';
import {
  eager,
  expectSame,
  headsTraining,
  livelyWeights,
  moved,
  onnx,
  runSteps,
  spec,
  steady,
} from './tiny.js';

const backbone = livelyWeights();
const plans: readonly HeadPlan[] = [
  { kind: 'linear', exit: 1 },
  { kind: 'adapter', exit: 2, bottleneck: 4 },
];
const heads = moved(initialHeads(spec, plans, backbone, 1), 0.02);
const loss = { denoising: 1, distillation: 0.5, exitWeights: [0.4, 0.6] };
const of = (prediction: PredictionKind) => ({ ...spec, prediction });
const processOf = (prediction: PredictionKind) =>
  diffusion({ ...ddpmBetas, steps: spec.timeSteps, prediction });

const batch = 4;
const size = spec.channels * spec.imageSize ** 2;
const random = stream(4, 'a batch');
const [x0, noise] = [random.normals(batch * size), random.normals(batch * size)];
const t = Float32Array.of(0, 20, 60, 99);
const y = Int32Array.of(0, 1, 2, 3);
const lambda = Float32Array.of(1, 0.5, 2, 0.25);
const x = addNoise(processOf('epsilon'), x0, noise, t);
const alphas = Array.from(t, (at) => processOf('epsilon').alphasCumprod[at] ?? NaN);

/** Element by element, with alphasCumprod of its sample. */
const each = (value: (i: number, a: number) => number): number[] =>
  Array.from({ length: batch * size }, (_, i) => value(i, alphas[Math.floor(i / size)] ?? NaN));

/** What is to be predicted, as the papers define it. */
const targets: Record<PredictionKind, number[]> = {
  epsilon: each((i) => noise[i] ?? NaN),
  x0: each((i) => x0[i] ?? NaN),
  v: each((i, a) => Math.sqrt(a) * (noise[i] ?? NaN) - Math.sqrt(1 - a) * (x0[i] ?? NaN)),
  flow: each((i) => (noise[i] ?? NaN) - (x0[i] ?? NaN)),
};

/** The noise that such a prediction means: x = sqrt(a) x0 + sqrt(1 - a) epsilon, solved for it. */
const seen: Record<PredictionKind, (p: number, x: number, a: number) => number> = {
  epsilon: (p) => p,
  x0: (p, x, a) => (x - Math.sqrt(a) * p) / Math.sqrt(1 - a),
  v: (p, x, a) => Math.sqrt(a) * p + Math.sqrt(1 - a) * x,
  flow: (p, x, a) => (x + Math.sqrt(a) * p) / (Math.sqrt(a) + Math.sqrt(1 - a)),
};

/** What all exits predict, the backbone last; a number is a number, whatever it stands for. */
function predictions(): readonly Float32Array[] {
  return tf.tidy(() =>
    runAll(
      familyOf(spec).bind(spec, uploadAll(backbone)),
      { plans, weights: uploadAll(heads) },
      labelQuery(
        tf.tensor4d(x, [batch, spec.channels, spec.imageSize, spec.imageSize]),
        tf.tensor1d(t),
        tf.tensor1d(y, 'int32'),
      ),
    ).map(({ prediction }) => prediction.dataSync<'float32'>()),
  );
}

/** Mean of squared differences of every sample. */
function errors(found: ArrayLike<number>, expected: ArrayLike<number>): number[] {
  const sums = new Array<number>(batch).fill(0);
  for (let i = 0; i < batch * size; i++)
    sums[Math.floor(i / size)]! += ((found[i] ?? NaN) - (expected[i] ?? NaN)) ** 2 / size;
  return sums;
}
const weighted = (sums: readonly number[]): number =>
  sums.reduce((sum, error, i) => sum + ((lambda[i] ?? NaN) * error) / batch, 0);

const feedsFor = (prediction: PredictionKind): Feeds => ({
  ...{ x, noise, t, y, lambda, lr: 0.01 },
  ...mixtureFeeds(processOf(prediction), t),
});

beforeAll(() => tf.setBackend('cpu'));

describe.each(predictionKinds)('with a backbone that predicts %s', (prediction) => {
  it('heads are compared with that and with full depth', async () => {
    const training = {
      ...headsTraining(of(prediction), plans, loss, steady),
      ...{ weights: heads, frozen: backbone },
    };
    const feeds = {
      ...feedsFor(prediction),
      lambdaFull: lambda.map((weight) => 0.5 * weight),
      importance: Float32Array.from(loss.exitWeights),
    };
    const compiled = await runSteps(onnx, training, [feeds, feeds]);
    expectSame(compiled, await runSteps(eager, training, [feeds, feeds]), 5e-6);
    const all = predictions();
    const full = all.at(-1) ?? [];
    const expected = all
      .slice(0, -1)
      .map((head) => weighted(errors(head, targets[prediction])) + 0.5 * weighted(errors(head, full)));
    const [first] = compiled.results;
    expect([first?.['exit/1'], first?.['exit/2']]).toBeAllClose(expected, 2e-5);
    expect(first?.['loss']).toBeCloseTo(0.4 * (expected[0] ?? NaN) + 0.6 * (expected[1] ?? NaN), 4);
  });

  it('pretraining compares all of it with that', async () => {
    const moves = new Set(trainable(spec));
    const chosen = (keep: boolean): HostTensors =>
      Object.fromEntries(Object.entries(backbone).filter(([name]) => moves.has(name) === keep));
    const training = {
      ...{ of: of(prediction), step: pretrainStep(of(prediction), steady) },
      ...{ weights: chosen(true), frozen: chosen(false) },
    };
    const { results } = await runSteps(onnx, training, [feedsFor(prediction)]);
    const expected = weighted(errors(predictions().at(-1) ?? [], targets[prediction]));
    expect(results[0]?.['loss']).toBeCloseTo(expected, 4);
  });

  it('profiles tell the errors of the noise that it means', async () => {
    const step = await onnx.compile(profileStep({ spec: of(prediction), plans }), {
      state: {},
      batch: profileInputs(of(prediction)),
      frozen: { ...backbone, ...heads },
    });
    const { toNoise, toFull } = await step({
      ...{ x, noise, t, y },
      ...mixtureFeeds(processOf(prediction), t),
    });
    await step.dispose();
    const epsilons = predictions().map((predicted) =>
      each((i, a) => seen[prediction](predicted[i] ?? NaN, x[i] ?? NaN, a)),
    );
    const table = (expected: ArrayLike<number>): number[] => {
      const columns = epsilons.map((epsilon) => errors(epsilon, expected));
      return Array.from({ length: batch }, (_, i) => columns.map((column) => column[i] ?? NaN)).flat();
    };
    for (const [found, expected] of [
      [toNoise, table(noise)],
      [toFull, table(epsilons.at(-1) ?? [])],
    ] as const) {
      // Of x0 where there is hardly any noise, errors are in the thousands.
      const ratios = expected.map((value, i) => (value === 0 ? 1 : (found?.data[i] ?? NaN) / value));
      expect(ratios).toBeAllClose(new Array<number>(ratios.length).fill(1), 1e-4);
    }
  });
});

describe('pretraining', () => {
  it('makes no learned variance', () => {
    const learned = ditSpec({ ...specJson(spec), learn_sigma: true });
    expect(() => pretrainStep(learned, steady)).toThrow('a learned variance');
  });
});
