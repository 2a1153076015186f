// At which native times does the sampler step that is profiled, and in how many fewer steps may it go?
import { respace } from '../diffusion/respace.js';
import { UserError } from '../errors.js';

/** What the sections `schedule`, `profile` and `diffusion` of a config say of it. */
export interface ScheduledSteps {
  /** One number, or several to choose from. */
  readonly schedule: { readonly steps: number | readonly number[] };
  readonly profile: { readonly stepCounts: readonly number[] };
  readonly diffusion: { readonly steps: number };
}

/** Native times of its steps, from noise to data; of several numbers of steps, the most. */
export function scheduledTimes({ schedule, diffusion }: Omit<ScheduledSteps, 'profile'>): number[] {
  return respace(diffusion.steps, String(mostOf(schedule)));
}

/**
 * Fewer steps and their times, ascending: those of `profile.stepCounts`, or the others of `schedule.steps`, or from 0.4 to
 * 0.9 of its number.
 * @throws UserError if one is not fewer
 */
export function fewerSteps({ schedule, profile, diffusion }: ScheduledSteps): {
  readonly steps: number;
  readonly timesteps: readonly number[];
}[] {
  const most = mostOf(schedule);
  const others = [schedule.steps].flat().filter((steps) => steps !== most);
  const shares = [0.4, 0.5, 0.6, 0.7, 0.8, 0.9].map((share) => Math.round(share * most));
  const asked = profile.stepCounts.length > 0 ? profile.stepCounts : others.length > 0 ? others : shares;
  const tooMany = profile.stepCounts.find((steps) => steps >= most);
  if (tooMany !== undefined)
    throw new UserError(
      `profile.stepCounts holds ${tooMany}, but these are compared with the ${most} steps of schedule.steps; give fewer.`,
    );
  return [...new Set(asked)]
    .filter((steps) => steps >= 1 && steps < most)
    .toSorted((a, b) => a - b)
    .map((steps) => ({ steps, timesteps: respace(diffusion.steps, String(steps)) }));
}

function mostOf({ steps }: ScheduledSteps['schedule']): number {
  return Math.max(...[steps].flat());
}
