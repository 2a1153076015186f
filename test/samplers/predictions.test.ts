import { describe, expect, it } from '@jest/globals';
import { alphaBar, ddpmBetas, diffusion, type Diffusion } from '../../src/diffusion/betas.js';
import { levelAt } from '../../src/diffusion/levels.js';
import { predictionKinds, type PredictionKind } from '../../src/diffusion/prediction.js';
import { respace } from '../../src/diffusion/respace.js';
import { initialNoise, stepNoise } from '../../src/samplers/noise.js';
import { sample } from '../../src/samplers/sampler.js';
import { sPndm } from '../../src/samplers/pndm.js';
import { callsOf, type Solver } from '../../src/samplers/solvers.js';

const [mean, deviation] = [0.4, 0.3];
const samples = { from: 0, count: 4, length: 3 };
const start = initialNoise(5, samples);

/** The best prediction where every number of an image is normal: its mean, given x. */
function best(prediction: PredictionKind, x: number, a: number): number {
  const [signal, spread] = [Math.sqrt(a), Math.sqrt(1 - a)];
  const x0 = mean + ((signal * deviation ** 2) / (a * deviation ** 2 + 1 - a)) * (x - signal * mean);
  const epsilon = (x - signal * x0) / spread;
  return { epsilon, x0, v: signal * epsilon - spread * x0, flow: epsilon - x0 }[prediction];
}

/** States before every step, and the samples. */
async function states(solver: Solver, process: Diffusion): Promise<readonly Float32Array[]> {
  const seen: Float32Array[] = [];
  const options = {
    ...{ solver, diffusion: process, clip: false, count: samples.count },
    timesteps: respace(process.steps, '20'),
    noise: stepNoise(5, samples),
  };
  const last = await sample(options, start, (x, t) => {
    seen.push(x);
    return Promise.resolve(x.map((value) => best(process.prediction, value, levelAt(process, t).alpha)));
  });
  return [...seen, last];
}

describe('sampling normal images with the best prediction', () => {
  it.each(
    predictionKinds.flatMap((prediction) => [
      [prediction, { kind: 'ddim', eta: 0 } as const] as const,
      [prediction, { kind: 'ddim', eta: 0.7 } as const] as const,
      [prediction, { kind: 'ddpm' } as const] as const,
      [prediction, { kind: 'edm', order: 2 } as const] as const,
      [prediction, { kind: 'pndm', ...sPndm } as const] as const,
      [prediction, { kind: 'singlestep', sees: 'image', order: 2 } as const] as const,
    ]),
  )('takes the same path with %s: %j', async (prediction, solver) => {
    const expected = await states(solver, diffusion(ddpmBetas));
    const found = await states(solver, diffusion({ ...ddpmBetas, prediction }));
    expect(found.length).toBe(callsOf(solver, diffusion(ddpmBetas), respace(1000, '20')).length + 1);
    found.forEach((x, step) => expect(x).toBeAllClose(expected[step] ?? [], 1e-5));
  });
});

describe('DDIM with a predicted flow', () => {
  it("takes Euler's steps along the straight path", async () => {
    const process = diffusion({ ...ddpmBetas, prediction: 'flow' });
    const found = await states({ kind: 'ddim', eta: 0 }, process);
    const timesteps = respace(process.steps, '20');
    const scaleOf = (a: number): number => Math.sqrt(a) + Math.sqrt(1 - a);
    const timeOf = (a: number): number => Math.sqrt(1 - a) / scaleOf(a);
    const alphas = [...timesteps.map((t) => alphaBar(process, t)), 1];
    let onPath = Array.from(start, (x) => x / scaleOf(alphas[0] ?? NaN));
    timesteps.forEach((_, step) => {
      const [a = NaN, next = NaN] = alphas.slice(step, step + 2);
      const stride = timeOf(next) - timeOf(a);
      onPath = onPath.map((x) => x + stride * best('flow', x * scaleOf(a), a));
      expect(found[step + 1]).toBeAllClose(
        onPath.map((x) => x * scaleOf(next)),
        1e-5,
      );
    });
  });
});
