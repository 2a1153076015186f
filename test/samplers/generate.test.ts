import { describe, expect, it } from '@jest/globals';
import { ddpmBetas, diffusion } from '../../src/diffusion/betas.js';
import { Interrupted } from '../../src/errors.js';
import { initialNoise } from '../../src/samplers/noise.js';
import {
  generateBatch,
  labelsFor,
  type DenoiseLabelled,
  type GenerateOptions,
} from '../../src/samplers/generate.js';
import type { Solver } from '../../src/samplers/solvers.js';

const options: GenerateOptions = {
  solver: { kind: 'ddim', eta: 0 },
  diffusion: diffusion(ddpmBetas),
  timesteps: [900, 600, 300, 0],
  clip: false,
  seed: 4,
  count: 6,
  batch: 6,
  length: 5,
  classes: 3,
  signal: new AbortController().signal,
};

/** Pulls each sample of a batch to its label. */
const toLabel: DenoiseLabelled = (x, t, y) =>
  Promise.resolve(x.map((value, i) => 0.4 * value - 0.2 * (y[Math.floor(i / 5)] ?? NaN) + t / 2000));

describe('labelsFor', () => {
  it('lets classes take turns, from any image on', () => {
    expect([...labelsFor(0, 7, 3)]).toEqual([0, 1, 2, 0, 1, 2, 0]);
    expect([...labelsFor(5, 3, 3)]).toEqual([2, 0, 1]);
    expect([...labelsFor(0, 0, 3)]).toEqual([]);
    expect([...labelsFor(2, 3, 0)]).toEqual([0, 0, 0]);
  });
});

describe('generateBatch', () => {
  it.each<Solver>([{ kind: 'ddim', eta: 0 }, { kind: 'ddim', eta: 0.5 }, { kind: 'ddpm' }])(
    'gives each image its own noise and label, whatever the batch: %j',
    async (solver) => {
      const all = await generateBatch({ ...options, solver }, 0, 6, toLabel);
      for (const [from, count] of [[0, 1], [1, 3], [4, 2]] as const)
        expect(await generateBatch({ ...options, solver }, from, count, toLabel)).toEqual(
          all.slice(from * 5, (from + count) * 5),
        );
    },
  ); // prettier-ignore

  it('asks for every time once, from noise to data, with the labels of its images', async () => {
    const asked: unknown[] = [];
    let steps = 0;
    const spying: DenoiseLabelled = (x, t, y, call) => {
      if (asked.length === 0) expect(x).toEqual(initialNoise(4, { from: 2, count: 2, length: 5 }));
      asked.push([t, ...y]);
      return toLabel(x, t, y, call);
    };
    await generateBatch(options, 2, 2, spying, () => steps++);
    expect(asked).toEqual([[900, 2, 0], [600, 2, 0], [300, 2, 0], [0, 2, 0]]); // prettier-ignore
    expect(steps).toBe(4);
  });

  it('stops after the step at which the signal came', async () => {
    const controller = new AbortController();
    let steps = 0;
    const stopping: DenoiseLabelled = (x, t, y, call) => {
      if (++steps === 2) controller.abort();
      return toLabel(x, t, y, call);
    };
    const work = generateBatch({ ...options, signal: controller.signal }, 0, 2, stopping);
    await expect(work).rejects.toThrow(Interrupted);
    expect(steps).toBe(2);
  });
});
