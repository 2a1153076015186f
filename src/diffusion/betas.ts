// How much noise is in x_t? The variance schedules that backbones were trained with, in double precision.
import { unreachable, UserError } from '../errors.js';
import type { PredictionKind } from './prediction.js';

/**
 * How betas grow from the first to the last:
 * - linear: in equal steps (DDPM, Ho et al. 2020, section 4);
 * - scaled-linear: their square roots do (latent diffusion, Rombach et al. 2022; the U-ViTs for latents).
 */
export const betaKinds = ['linear', 'scaled-linear'] as const;
export type BetaKind = (typeof betaKinds)[number];

export interface BetaOptions {
  readonly betas: BetaKind;
  /** Variance added by the first and by the last step, each between 0 and 1. */
  readonly betaStart: number;
  readonly betaEnd: number;
  /** Number of steps, T. */
  readonly steps: number;
  /** What a model of it predicts; epsilon unless given. */
  readonly prediction?: PredictionKind;
}

/** A variance-preserving diffusion in discrete time: x_t = sqrt(alphasCumprod[t]) x_0 + sqrt(1 - alphasCumprod[t]) noise. */
export interface Diffusion {
  /** T; native t is 0..T-1, 0 the least noisy. */
  readonly steps: number;
  /** [T] */
  readonly betas: Float64Array;
  /** Product of 1 - beta up to and with t, [T]. */
  readonly alphasCumprod: Float64Array;
  /** What a model of it predicts. */
  readonly prediction: PredictionKind;
}

/** The settings of DDPM and DiT. */
export const ddpmBetas: BetaOptions = { betas: 'linear', betaStart: 0.0001, betaEnd: 0.02, steps: 1000 };

/**
 * Betas that grow from `betaStart` to `betaEnd`, both included.
 * @throws UserError if a setting is out of range
 */
export function diffusion({
  betas: kind,
  betaStart,
  betaEnd,
  steps,
  prediction = 'epsilon',
}: BetaOptions): Diffusion {
  if (!Number.isInteger(steps) || steps < 1)
    throw new UserError(`diffusion.steps is ${steps}, expected a whole number of at least 1.`);
  if (!(betaStart > 0 && betaStart <= betaEnd && betaEnd < 1))
    throw new UserError(
      `diffusion betas go from ${betaStart} to ${betaEnd}, expected 0 < betaStart <= betaEnd < 1.`,
    );
  const betas = betasOf(kind, betaStart, betaEnd, steps);
  let product = 1;
  return { steps, betas, alphasCumprod: betas.map((beta) => (product *= 1 - beta)), prediction };
}

function betasOf(kind: BetaKind, first: number, last: number, steps: number): Float64Array {
  switch (kind) {
    case 'linear':
      return evenly(first, last, steps);
    case 'scaled-linear':
      return evenly(Math.sqrt(first), Math.sqrt(last), steps).map((root) => root ** 2);
    default:
      return unreachable(kind);
  }
}

/** [steps], both ends included. */
function evenly(first: number, last: number, steps: number): Float64Array {
  const stride = steps > 1 ? (last - first) / (steps - 1) : 0;
  return Float64Array.from({ length: steps }, (_, t) => first + t * stride);
}

/**
 * alphasCumprod at native t.
 * @throws RangeError if t is not a whole number of 0..T-1
 */
export function alphaBar({ alphasCumprod, steps }: Diffusion, t: number): number {
  const value = alphasCumprod[t];
  if (value === undefined)
    throw new RangeError(`native t is ${t}, expected a whole number from 0 to ${steps - 1}`);
  return value;
}

/** ln(alphasCumprod / (1 - alphasCumprod)) at native t: falls as noise grows. */
export function logSnr(schedule: Diffusion, t: number): number {
  const value = alphaBar(schedule, t);
  return Math.log(value / (1 - value));
}
