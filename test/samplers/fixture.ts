// What the scheduler fixtures hold, and the paths that they walk; their README says how they were made.
import { ddpmBetas, diffusion } from '../../src/diffusion/betas.js';
import { alphaOf, levelAt, levelOfSigma, sigmaOf } from '../../src/diffusion/levels.js';
import type { Path } from '../../src/samplers/path.js';
import { fixtureJson } from '../fixtures.js';

export interface SchedulerRun {
  readonly name: string;
  readonly config: {
    readonly clip_sample?: boolean;
    readonly variance_type?: string;
    readonly timestep_spacing?: string;
    readonly steps_offset?: number;
    readonly use_karras_sigmas?: boolean;
    readonly lower_order_final?: boolean;
    readonly euler_at_final?: boolean;
    readonly algorithm_type?: string;
    readonly solver_type?: 'midpoint' | 'heun';
    readonly solver_order?: 1 | 2 | 3;
    readonly skip_prk_steps?: boolean;
    readonly sigma_schedule?: 'karras' | 'exponential';
    readonly sigma_data?: number;
  };
  readonly num_inference_steps: number;
  readonly step_kwargs: { readonly eta?: number };
  /** One for each call. */
  readonly timesteps: readonly number[];
  readonly timesteps_f64?: readonly number[];
  readonly alphas_cumprod: readonly number[];
  readonly final_alpha_cumprod?: number;
  /** Noise over signal, that of the end included. */
  readonly sigmas?: readonly number[];
  readonly noise?: readonly (readonly number[] | null)[];
  /** Where it starts: standard normal noise times `init_noise_sigma`. */
  readonly x_init: readonly number[];
  readonly init_noise_sigma: number;
  /** State after each call, in single precision, and in double. */
  readonly x: readonly (readonly number[])[];
  readonly x_f64: readonly (readonly number[])[];
  readonly max_abs_x: number;
}

/** A run of the ASE repository. */
export interface AseRun extends Pick<SchedulerRun, 'name' | 'x_init' | 'x' | 'x_f64' | 'max_abs_x'> {
  readonly method: 'DDIM' | 'S-PNDM' | 'F-PNDM';
  readonly step_pairs: readonly (readonly [number, number])[];
  /** The calls of each step. */
  readonly model_call_timesteps: readonly (readonly number[])[];
}

export type SchedulerFile =
  'ddim' | 'ddim_eta' | 'ddpm' | 'dpmsolver' | 'edm' | 'euler' | 'euler_ancestral' | 'heun' | 'pndm';

export function schedulerRuns(file: SchedulerFile): readonly SchedulerRun[] {
  const { x0, runs } = fixtureJson(`schedulers/${file}.json`) as { x0: number[]; runs: SchedulerRun[] };
  // What is written was rounded to single precision.
  return runs.map((run) => ({ ...run, x_init: x0.map((value) => value * run.init_noise_sigma) }));
}

export function aseRuns(): readonly AseRun[] {
  return (fixtureJson('schedulers/pndm_ase.json') as { runs: AseRun[] }).runs;
}

const ddpm = diffusion(ddpmBetas);
export const between: Pick<Path, 'at' | 'ofSigma'> = {
  at: (t) => levelAt(ddpm, t),
  ofSigma: (sigma) => levelOfSigma(ddpm, sigma),
};

/** Native times of a run's calls, as exact as they are known. */
export function callTimes({ timesteps, timesteps_f64 }: SchedulerRun): readonly number[] {
  return timesteps_f64 ?? timesteps;
}

/** Along the sigmas of a run; methods of several calls list each one twice. */
export function sigmaPath(run: SchedulerRun): Path {
  const once = (numbers: readonly number[]): number[] => numbers.filter((n, i) => n !== numbers[i - 1]);
  const isTwice = callTimes(run).length > run.num_inference_steps;
  const [times, sigmas] = [callTimes(run), run.sigmas ?? []].map((list) =>
    isTwice ? once(list) : [...list],
  );
  const strides = (times ?? []).map((t, i) => ({
    t,
    alpha: alphaOf(sigmas?.[i] ?? NaN),
    alphaNext: alphaOf(sigmas?.[i + 1] ?? NaN),
  }));
  return { ...between, strides };
}

/** From each time to the one a whole stride below, as DDIM and PNDM of diffusers step, wherever the next time is. */
export function stridingPath(run: SchedulerRun, times: readonly number[] = run.timesteps): Path {
  const stride = Math.floor(ddpm.steps / run.num_inference_steps);
  const strides = times.map((t) => ({
    ...levelAt(ddpm, t),
    alphaNext: ddpm.alphasCumprod[t - stride] ?? run.final_alpha_cumprod ?? NaN,
  }));
  return { ...between, strides };
}

/** In the coordinates of EDM. */
export function inflated(x: ArrayLike<number>, alpha: number): number[] {
  return Array.from(x, (value) => value / Math.sqrt(alpha));
}

/** The network of the fixtures: a closed form. */
export const toy = (x: number, t: number): number => 0.3 * x + 0.1 * Math.sin(t / 50);

/** The noise that a network sees whose input and output are scaled as in EDM (Karras et al. 2022, table 1). */
export function preconditioned(x: number, t: number, alpha: number, data: number): number {
  const sigma = sigmaOf(alpha);
  const noisy = x / Math.sqrt(alpha);
  const sum = sigma ** 2 + data ** 2;
  const skip = data ** 2 / sum;
  const out = (sigma * data) / Math.sqrt(sum);
  return (noisy - (skip * noisy + out * toy(noisy / Math.sqrt(sum), t))) / sigma;
}
