import { describe, expect, it } from '@jest/globals';
import { ddpmBetas, diffusion } from '../../src/diffusion/betas.js';
import { respace } from '../../src/diffusion/respace.js';
import { UserError } from '../../src/errors.js';
import { initialNoise, stepNoise } from '../../src/samplers/noise.js';
import { sample, type Denoise, type SampleOptions } from '../../src/samplers/sampler.js';
import { solve, type Solver } from '../../src/samplers/solvers.js';
import { schedulerRuns, type SchedulerRun } from './fixture.js';

const ddpm = diffusion(ddpmBetas);
/** The closed-form model of the fixtures. */
const toy = (x: Float32Array, t: number): Float32Array =>
  x.map((value) => 0.3 * value + 0.1 * Math.sin(t / 50));
const solverOf = (run: SchedulerRun): Solver =>
  run.name.startsWith('ddim') ? { kind: 'ddim', eta: run.step_kwargs.eta ?? 0 } : { kind: 'ddpm' };
const noiseOf = (run: SchedulerRun) => (step: number) => Float32Array.from(run.noise?.[step] ?? []);

/** States after every step, by `sample` itself. */
async function states(run: SchedulerRun, denoise: Denoise): Promise<readonly Float32Array[]> {
  const seen: Float32Array[] = [];
  const options: SampleOptions = {
    solver: solverOf(run),
    diffusion: ddpm,
    timesteps: run.timesteps,
    clip: run.config.clip_sample,
    count: 1,
    noise: noiseOf(run),
  };
  const last = await sample(options, Float32Array.from(run.x_init), async (x, t, step) => {
    if (step > 0) seen.push(x);
    return denoise(x, t, step);
  });
  return [...seen, last];
}

function expectParity(run: SchedulerRun, here: readonly Float32Array[]): void {
  expect(here.length).toBe(run.x.length);
  here.forEach((x, step) => expect(x).toBeAllClose(run.x[step] ?? [], 1e-5 * run.max_abs_x));
}

/** Where the reference steps to a time that is not the next of its list, or stops short of alphasCumprod 1. */
const isPeculiar = ({ name }: SchedulerRun): boolean =>
  name.startsWith('ddim') && /linspace|offset1/.test(name);
const all = [...schedulerRuns('ddim'), ...schedulerRuns('ddim_eta'), ...schedulerRuns('ddpm')];
const large = all.filter((run) => run.config.variance_type === 'fixed_large');

describe('sample', () => {
  it.each(all.filter((run) => !isPeculiar(run) && !large.includes(run)))(
    'follows the reference step by step: $name',
    async (run) => {
      expectParity(run, await states(run, (x, t) => Promise.resolve(toy(x, t))));
    },
  );

  it.each(large)('has the variance beta where the model asks for the largest: $name', async (run) => {
    const largest = new Array<number>(run.x_init.length).fill(1);
    expectParity(
      run,
      await states(run, (x, t) => Promise.resolve(Float32Array.of(...toy(x, t), ...largest))),
    );
  });

  it.each(all.filter(isPeculiar))('steps between any two times as the reference: $name', (run) => {
    const stride = Math.floor(ddpm.steps / run.num_inference_steps);
    let x = Float32Array.from(run.x_init);
    const here = run.timesteps.map((t, step) => {
      x = Float32Array.from(
        solve(solverOf(run), {
          x,
          epsilon: toy(x, t),
          variance: undefined,
          alpha: run.alphas_cumprod[step] ?? NaN,
          alphaNext: ddpm.alphasCumprod[t - stride] ?? run.final_alpha_cumprod ?? NaN,
          clip: run.config.clip_sample,
          noise: () => noiseOf(run)(step),
        }),
      );
      return x;
    });
    expectParity(run, here);
  });

  it('gives each sample the same result in any batch', async () => {
    const draw = async (solver: Solver, from: number, count: number): Promise<Float32Array> => {
      const samples = { from, count, length: 4 };
      const noise = stepNoise(9, samples);
      const options = { solver, diffusion: ddpm, timesteps: respace(1000, '8'), clip: true, count, noise };
      return sample(options, initialNoise(9, samples), (x, t) => Promise.resolve(toy(x, t)));
    };
    for (const solver of [{ kind: 'ddim', eta: 0 }, { kind: 'ddim', eta: 1 }, { kind: 'ddpm' }] as const) {
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
  });

  it('reports every step and leaves the start as it was', async () => {
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
