// Does an engine compute what the onnx engine does? A training step of heads and a sampling step of a tiny DiT.
import { expect } from '@jest/globals';
import { ddpmBetas, diffusion } from '../../src/diffusion/betas.js';
import type { Engine } from '../../src/engine/engine.js';
import { openDenoiser } from '../../src/exits/denoiser.js';
import { initialHeads, type HeadPlan } from '../../src/exits/heads.js';
import type { Model } from '../../src/exits/model.js';
import { sample } from '../../src/samplers/sampler.js';
import { stream } from '../../src/random.js';
import { headsStep } from '../../src/training/headsStep.js';
import {
  expectSame,
  feedsFor,
  livelyWeights,
  moved,
  onnx,
  runSteps,
  spec,
  steady,
  type Training,
} from '../training/tiny.js';

const plans: readonly HeadPlan[] = [
  { kind: 'linear', exit: 1 },
  { kind: 'adapter', exit: 2, bottleneck: 8 },
  { kind: 'shared', exit: 1 },
  { kind: 'block', exit: 2 },
];
const backbone = livelyWeights();
const heads = moved(initialHeads(spec, plans.slice(0, 2), backbone, 1), 0.02);

/** Two steps of training heads of every kind, with batches of different sizes: losses and the whole state. */
export async function expectTrainingLikeOnnx(engine: Engine, tolerance: number): Promise<void> {
  for (const kinds of [plans.slice(0, 2), plans.slice(2)]) {
    const training: Training = {
      step: headsStep(spec, kinds, { distillation: 0.7, exitWeights: [0.5, 1] }, steady),
      weights: moved(initialHeads(spec, kinds, backbone, 1), 0.02),
      frozen: backbone,
    };
    const feeds = [feedsFor(spec, 3, 0), feedsFor(spec, 2, 1)];
    expectSame(await runSteps(engine, training, feeds), await runSteps(onnx, training, feeds), tolerance);
  }
}

/** Two steps of DDIM with guidance, the first through a head, the second through all blocks. */
export async function expectSamplingLikeOnnx(engine: Engine, tolerance: number): Promise<void> {
  const model: Model = { spec, backbone, plans: plans.slice(0, 2), heads };
  const draw = async (on: Engine): Promise<Float32Array> => {
    const denoiser = await openDenoiser(on, model, [2, 3], true);
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
      (x, t, step) => denoiser.predict(step === 0 ? 2 : 3, { x, t, y: Int32Array.of(1, 3), guidance: 2 }),
    );
    await denoiser.dispose();
    return drawn;
  };
  expect(await draw(engine)).toBeAllClose(await draw(onnx), tolerance);
}
