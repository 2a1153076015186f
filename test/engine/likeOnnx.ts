// Does an engine compute what the onnx engine does? A training step of heads and a sampling step of a tiny DiT.
import { expect, it } from '@jest/globals';
import { ddpmBetas, diffusion } from '../../src/diffusion/betas.js';
import { multiHeadAttention } from '../../src/backbones/attention.js';
import type { Engine, InputSpec, Step } from '../../src/engine/engine.js';
import type { HostTensors } from '../../src/engine/tensors.js';
import { tf } from '../../src/engine/tf.js';
import { openDenoiser } from '../../src/exits/denoiser.js';
import { initialHeads, type HeadPlan } from '../../src/exits/heads.js';
import type { Model } from '../../src/exits/model.js';
import { sample } from '../../src/samplers/sampler.js';
import { stream } from '../../src/random.js';
import { cases, type Case } from '../trace/cases.js';
import { feedsOf, stepOf } from '../trace/caseSteps.js';
import {
  expectSame,
  headsFeeds,
  headsTraining,
  livelyWeights,
  moved,
  onnx,
  runSteps,
  spec,
  steady,
  type Training,
} from '../training/tiny.js';

/** Declares the tests that every engine passes. @param engine asked when they run */
export function computesLikeOnnx(engine: () => Engine): void {
  it('trains heads as onnx does', async () => {
    await expectTrainingLikeOnnx(engine(), 5e-6);
  });

  it('trains the same twice, bit for bit', async () => {
    await expectTrainingTwiceAlike(engine());
  });

  it('samples as onnx does', async () => {
    await expectSamplingLikeOnnx(engine(), 2e-5);
  });

  it('attends over many tokens as onnx does', async () => {
    await expectAttentionLikeOnnx(engine());
  });

  it.each(cases.map((one) => [one.kernel, one] as const))(
    'computes %s and its gradient as onnx does',
    async (_, one) => {
      await expectCaseLikeOnnx(engine(), one);
    },
  );
}

const plans: readonly HeadPlan[] = [
  { kind: 'linear', exit: 1 },
  { kind: 'adapter', exit: 2, bottleneck: 8 },
  { kind: 'shared', exit: 1 },
  { kind: 'block', exit: 2 },
];
const backbone = livelyWeights();
const loss = { denoising: 1, distillation: 0.7, exitWeights: [0.5, 1] };
const heads = moved(initialHeads(spec, plans.slice(0, 2), backbone, 1), 0.02);

/** Two steps of training heads of every kind, with batches of different sizes: losses and the whole state. */
export async function expectTrainingLikeOnnx(engine: Engine, tolerance: number): Promise<void> {
  for (const kinds of [plans.slice(0, 2), plans.slice(2)]) {
    const training: Training = {
      ...headsTraining(spec, kinds, loss, steady),
      weights: moved(initialHeads(spec, kinds, backbone, 1), 0.02),
      frozen: backbone,
    };
    const feeds = [headsFeeds(spec, loss, 3, 0), headsFeeds(spec, loss, 2, 1)];
    expectSame(await runSteps(engine, training, feeds), await runSteps(onnx, training, feeds), tolerance);
  }
}

/** Two steps of training from the same start twice: the same bits. */
async function expectTrainingTwiceAlike(engine: Engine): Promise<void> {
  const kinds = plans.slice(0, 2);
  const training: Training = {
    ...headsTraining(spec, kinds, loss, steady),
    weights: moved(initialHeads(spec, kinds, backbone, 1), 0.02),
    frozen: backbone,
  };
  const run = () => runSteps(engine, training, [headsFeeds(spec, loss, 3, 0), headsFeeds(spec, loss, 2, 1)]);
  expect(await run()).toEqual(await run());
}

/** Two steps of DDIM with guidance, the first through a head, the second through all blocks. */
export async function expectSamplingLikeOnnx(engine: Engine, tolerance: number): Promise<void> {
  const model: Model = { spec, backbone, plans: plans.slice(0, 2), heads };
  const draw = async (on: Engine): Promise<Float32Array> => {
    const denoiser = await openDenoiser(on, model, [2, 3], true);
    const trajectory = denoiser.begin();
    const drawn = await sample(
      {
        solver: { kind: 'ddim', eta: 0 },
        diffusion: diffusion({ ...ddpmBetas, steps: spec.timeSteps }),
        timesteps: [90, 20],
        clip: false,
        count: 2,
        noise: () => new Float32Array(2 * 64),
      },
      stream(0, 'x').normals(2 * 64),
      (x, t, step) => trajectory.predict(step === 0 ? 2 : 3, { x, t, y: Int32Array.of(1, 3), guidance: 2 }),
    );
    await denoiser.dispose();
    return drawn;
  };
  expect(await draw(engine)).toBeAllClose(await draw(onnx), tolerance);
}

/** Results of a step without state on the device, and compiled. */
export async function besideOnnx(
  engine: Engine,
  step: Step,
  feeds: Readonly<Record<string, Float32Array>>,
  shapes: Readonly<Record<string, InputSpec['shape']>>,
): Promise<readonly [actual: HostTensors, expected: HostTensors]> {
  const batch = Object.fromEntries(Object.entries(shapes).map(([name, shape]) => [name, { shape }]));
  const results: HostTensors[] = [];
  for (const on of [engine, onnx]) {
    const compiled = await on.compile(step, { state: {}, batch, frozen: {} });
    results.push(await compiled(feeds));
    await compiled.dispose();
  }
  const [actual = {}, expected = {}] = results;
  return [actual, expected];
}

/** Attention of 49 tokens, more than some operators handle in one piece. */
async function expectAttentionLikeOnnx(engine: Engine): Promise<void> {
  const step: Step = (_state, { x }) => {
    if (!x) throw new Error('attention has an input');
    const [q, k, v] = tf.split<tf.Tensor3D>(x, 3, 2);
    if (!q || !k || !v) throw new Error('attention has three inputs');
    return { state: {}, out: { y: multiHeadAttention(q, k, v, 4) } };
  };
  const feeds = { x: stream(0, 'x').normals(2 * 49 * 384) };
  const [actual, expected] = await besideOnnx(engine, step, feeds, { x: ['batch', 49, 384] });
  expect(actual['y']?.data).toBeAllClose([...(expected['y']?.data ?? [])], 3e-6);
}

/** A kernel's value and gradient. */
async function expectCaseLikeOnnx(engine: Engine, one: Case): Promise<void> {
  const [actual, expected] = await besideOnnx(engine, stepOf(one), feedsOf(one, 5), one.inputs);
  for (const [name, { shape, data }] of Object.entries(expected)) {
    expect(actual[name]?.shape).toEqual(shape);
    const largest = Math.max(10, ...[...data].map(Math.abs));
    expect(actual[name]?.data).toBeAllClose([...data], 2e-6 * largest);
  }
}
