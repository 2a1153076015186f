import { describe, expect, it } from '@jest/globals';
import { ddpmBetas, diffusion } from '../../src/diffusion/betas.js';
import { respace } from '../../src/diffusion/respace.js';
import { UserError } from '../../src/errors.js';
import { initialNoise, stepNoise } from '../../src/samplers/noise.js';
import { sample, type Denoise, type SampleOptions } from '../../src/samplers/sampler.js';
import { fPndm } from '../../src/samplers/pndm.js';
import type { Solver } from '../../src/samplers/solvers.js';
import { schedulerRuns, toy, type SchedulerRun } from './fixture.js';

const ddpm = diffusion(ddpmBetas);
/** The closed-form model of the fixtures. */
const predict = (x: Float32Array, t: number): Float32Array => x.map((value) => toy(value, t));
const noiseOf = (run: SchedulerRun) => (step: number) => Float32Array.from(run.noise?.[step] ?? []);

/** Through the times of a run, whose steps go from each to the next one and from the last to data. */
async function states(
  run: SchedulerRun,
  solver: Solver,
  timesteps: readonly number[],
): Promise<Float32Array[]> {
  const seen: Float32Array[] = [];
  const { clip_sample: clip = false } = run.config;
  const options = { solver, diffusion: ddpm, timesteps, clip, count: 1, noise: noiseOf(run) };
  const last = await sample(options, Float32Array.from(run.x_init), (x, t) => {
    seen.push(x);
    return Promise.resolve(predict(x, t));
  });
  return [...seen.slice(1), last];
}

const isStraight = ({ name }: SchedulerRun): boolean => !/linspace|offset1/.test(name);
const ddim = [...schedulerRuns('ddim'), ...schedulerRuns('ddim_eta')].filter(isStraight);

describe('sample', () => {
  // In double precision, and along the other paths, they are followed in references.test.ts.
  it.each([
    ...ddim.map((run) => [run.name, run, { kind: 'ddim', eta: run.step_kwargs.eta ?? 0 }] as const),
    ...schedulerRuns('ddpm').map((run) => {
      const variance = run.config.variance_type === 'fixed_large' ? 'large' : 'small';
      return [run.name, run, { kind: 'ddpm', variance }] as const;
    }),
  ])('follows the reference step by step: %s', async (_name, run, solver) => {
    const here = await states(run, solver, run.timesteps);
    expect(here.length).toBe(run.x.length);
    here.forEach((x, step) => expect(x).toBeAllClose(run.x[step] ?? [], 1e-5 * run.max_abs_x));
  });

  it('has the variance beta where a model asks for the largest', async () => {
    const [run] = schedulerRuns('ddpm').filter(({ config }) => config.variance_type === 'fixed_large');
    if (!run) throw new Error('there is such a run');
    const largest = new Array<number>(run.x_init.length).fill(1);
    const options = { ...plain(run.timesteps), solver: { kind: 'ddpm' } as const, noise: noiseOf(run) };
    const last = await sample(options, Float32Array.from(run.x_init), (x, t) =>
      Promise.resolve(Float32Array.of(...predict(x, t), ...largest)),
    );
    expect(last).toBeAllClose(run.x.at(-1) ?? [], 1e-5 * run.max_abs_x);
  });

  it('gives each sample the same result in any batch', async () => {
    const draw = async (solver: Solver, from: number, count: number): Promise<Float32Array> => {
      const samples = { from, count, length: 4 };
      const noise = stepNoise(9, samples);
      const options = { solver, diffusion: ddpm, timesteps: respace(1000, '8'), clip: true, count, noise };
      return sample(options, initialNoise(9, samples), (x, t) => Promise.resolve(predict(x, t)));
    };
    const churn = { amount: 4, from: 0, to: 100, deviation: 1 };
    for (const solver of [
      { kind: 'ddim', eta: 0 },
      { kind: 'ddim', eta: 1 },
      { kind: 'ddpm' },
      { kind: 'euler-maruyama' },
      { kind: 'edm', order: 2, churn },
      { kind: 'pndm', ...fPndm },
      { kind: 'singlestep', sees: 'image', order: 3 },
    ] as const) {
      const together = await draw(solver, 0, 3);
      expect(await draw(solver, 1, 1)).toEqual(together.slice(4, 8));
    }
  });

  it('draws no noise for deterministic steps and for the last one', async () => {
    const asked = async (solver: Solver): Promise<number[]> => {
      const steps: number[] = [];
      const noise = (step: number): Float32Array => {
        steps.push(step);
        return new Float32Array(2);
      };
      const options = { solver, diffusion: ddpm, timesteps: [900, 500, 0], clip: false, count: 1, noise };
      await sample(options, new Float32Array(2), (x) => Promise.resolve(x));
      return steps;
    };
    expect(await asked({ kind: 'ddim', eta: 0 })).toEqual([]);
    expect(await asked({ kind: 'ddim', eta: 1 })).toEqual([0, 1]);
    expect(await asked({ kind: 'ddpm' })).toEqual([0, 1]);
    expect(await asked({ kind: 'euler-maruyama' })).toEqual([0, 1]);
    expect(await asked({ kind: 'edm', order: 2 })).toEqual([]);
  });

  it('reports every call and leaves the start as it was', async () => {
    const start = Float32Array.of(1, 2);
    const done: number[] = [];
    await sample(
      plain([900, 500, 0]),
      start,
      (x) => Promise.resolve(x),
      (n) => done.push(n),
    );
    expect(done).toEqual([1, 2, 3]);
    expect([...start]).toEqual([1, 2]);
  });

  it.each([NaN, Infinity])('stops at a prediction of %d and says where', async (value) => {
    const work = sample(plain([900, 500]), Float32Array.of(1, 2), (x, t) =>
      Promise.resolve(t === 500 ? Float32Array.of(0, value) : x),
    );
    await expect(work).rejects.toThrow(`predicts ${value} at native t 500`);
    await expect(work).rejects.toThrow(UserError);
  });

  it('refuses timesteps that do not descend and predictions of another size', async () => {
    const start = Float32Array.of(1, 2);
    await expect(sample(plain([500, 900]), start, (x) => Promise.resolve(x))).rejects.toThrow(
      'do not descend',
    );
    await expect(sample(plain([1000]), start, (x) => Promise.resolve(x))).rejects.toThrow(RangeError);
    const short: Denoise = () => Promise.resolve(new Float32Array(3));
    await expect(sample(plain([500]), start, short)).rejects.toThrow('3 numbers for 1 samples of 2');
  });
});

function plain(timesteps: readonly number[]): SampleOptions {
  const noise = (): Float32Array => new Float32Array(2);
  return { solver: { kind: 'ddim', eta: 0 }, diffusion: ddpm, timesteps, clip: false, count: 1, noise };
}
