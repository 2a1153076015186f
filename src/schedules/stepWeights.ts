// How much does a mistake at each step count, whatever the number of steps? The step's own share apart from the network's.
import { alphaBar, type Diffusion } from '../diffusion/betas.js';
import { UserError } from '../errors.js';
import { weightAt } from '../training/lambda.js';
import { sensitivityPoints, type Sensitivity } from './sensitivity.js';
import type { Trajectories } from './trajectories.js';

/**
 * What DDIM (eta 0) does with epsilon in each step, x' = sqrt(a' / a) x + c epsilon: c = sqrt(1 - a') - sqrt(a' (1 - a) / a),
 * with a' = 1 after the last step. Song et al., "Denoising Diffusion Implicit Models", ICLR 2021, equation 12.
 * @param timesteps native t, descending
 */
export function ddimCoefficients(diffusion: Diffusion, timesteps: readonly number[]): number[] {
  return timesteps.map((t, i) => {
    const [now, next] = [alphaBar(diffusion, t), alphaAfter(diffusion, timesteps, i)];
    return Math.sqrt(1 - next) - Math.sqrt((next * (1 - now)) / now);
  });
}

function alphaAfter(diffusion: Diffusion, timesteps: readonly number[], i: number): number {
  const next = timesteps[i + 1];
  return next === undefined ? 1 : alphaBar(diffusion, next);
}

/**
 * Mean square that the final sample would move for a mistake in epsilon of mean square 1, if no later step answered it:
 * c^2 / a', since later steps scale x by sqrt(1 / a') in all. They do answer it, so this overrates early steps.
 */
export function closedFormWeights(diffusion: Diffusion, timesteps: readonly number[]): number[] {
  const coefficients = ddimCoefficients(diffusion, timesteps);
  return coefficients.map((c, i) => c ** 2 / alphaAfter(diffusion, timesteps, i));
}

/** How the network answers a mistake at the times that were measured, ascending: what is left of one that c scaled. */
type Answers = readonly { readonly at: number; readonly weight: number }[];

/**
 * Sensitivities at the steps of any DDIM sampler: what was measured at a step is its c^2 times how the network answers
 * there, and the latter goes on straight lines between the times that were measured.
 */
export function sensitivityAt(
  sensitivity: Sensitivity,
  diffusion: Diffusion,
  timesteps: readonly number[],
): number[] {
  const measured = new Map(
    ddimCoefficients(diffusion, sensitivity.timesteps).map((c, i) => [sensitivity.timesteps[i], c]),
  );
  const answers = sensitivityPoints(sensitivity).map(({ at, weight }) => ({
    at,
    weight: weight / (measured.get(at) ?? NaN) ** 2,
  }));
  return weightsFrom(answers, diffusion, timesteps);
}

/**
 * The same, of the mistakes that the exits make on real trajectories: at each step the drift that they cause, over their
 * excess there, summed over the exits. A network answers their mistakes less than white noise. Where none could be measured
 * (the first step, if all exits remember), that of the next step counts.
 * @throws UserError if the solver asked more than once in a step, or no exit was off at any
 */
export function trajectoryWeights(
  { timesteps: measured, single }: Pick<Trajectories, 'timesteps' | 'single'>,
  diffusion: Diffusion,
  timesteps: readonly number[],
): number[] {
  if (!measured.every((t, i) => Number.isInteger(t) && t < (measured[i - 1] ?? Infinity)))
    throw new UserError(
      'the profile of trajectories is of a solver that asks several times in a step, or between steps, and schedules weigh ' +
        'steps. Profile again with one call a step: --set sample.solver=ddim.',
    );
  const coefficients = ddimCoefficients(diffusion, measured);
  const summed = (rows: readonly (readonly (number | null)[])[], i: number): number =>
    rows.reduce((sum, row) => sum + (row[i] ?? 0), 0);
  const answers = measured
    .map((at, i) => {
      const excess = summed(single.excess.mean, i);
      return { at, weight: summed(single.drift.mean, i) / excess / (coefficients[i] ?? NaN) ** 2 };
    })
    .filter(({ weight }) => Number.isFinite(weight))
    .reverse();
  if (answers.length === 0)
    throw new UserError(
      'the profile of trajectories has no exit that was off at any step. Profile with exits: leave schedule.exits out.',
    );
  return weightsFrom(answers, diffusion, timesteps);
}

function weightsFrom(points: Answers, diffusion: Diffusion, timesteps: readonly number[]): number[] {
  const coefficients = ddimCoefficients(diffusion, timesteps);
  return timesteps.map((t, i) => weightAt({ axis: 't', points }, t) * (coefficients[i] ?? NaN) ** 2);
}
