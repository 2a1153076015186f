// What the scheduler fixtures hold; their README says how they were made.
import { fixtureJson } from '../fixtures.js';

export interface SchedulerRun {
  readonly name: string;
  readonly config: { readonly clip_sample: boolean; readonly variance_type?: string };
  readonly num_inference_steps: number;
  readonly step_kwargs: { readonly eta?: number };
  readonly timesteps: readonly number[];
  readonly alphas_cumprod: readonly number[];
  readonly final_alpha_cumprod?: number;
  readonly noise?: readonly (readonly number[] | null)[];
  readonly x_init: readonly number[];
  readonly x: readonly (readonly number[])[];
  readonly max_abs_x: number;
}

export function schedulerRuns(file: 'ddim' | 'ddim_eta' | 'ddpm'): readonly SchedulerRun[] {
  return (fixtureJson(`schedulers/${file}.json`) as { runs: SchedulerRun[] }).runs;
}
