// At which times is a batch noised? Spread over the diffusion, each by itself, or mostly where it matters.
import type { Diffusion } from '../diffusion/betas.js';
import { unreachable } from '../errors.js';
import type { Stream } from '../random.js';

/**
 * - stratified: one in every B-th part of the diffusion (`spreadTimes`);
 * - independent: each uniform, whatever the others are;
 * - log-normal: ln(sigma) is normal with this mean and deviation, sigma^2 = (1 - alpha_bar) / alpha_bar, and the native t
 *   nearest to it is taken (Karras et al., "Elucidating the Design Space", NeurIPS 2022, table 1: -1.2 and 1.2); the
 *   times of a batch are spread over that distribution as stratified ones are.
 */
export type TimesRule =
  | { readonly kind: 'stratified' }
  | { readonly kind: 'independent' }
  | { readonly kind: 'log-normal'; readonly mean: number; readonly deviation: number };

/** Native times of a batch, [B], as the rule draws them. */
export function drawsTimes(
  rule: TimesRule,
  diffusion: Diffusion,
): (random: Stream, batch: number) => Float32Array {
  const { steps } = diffusion;
  switch (rule.kind) {
    case 'stratified':
      return (random, batch) => spreadTimes(random.uniform(), batch, steps);
    case 'independent':
      return (random, batch) =>
        Float32Array.from({ length: batch }, () => Math.floor(random.uniform() * steps));
    case 'log-normal': {
      const upTo = logNormalTimes(rule, diffusion);
      return (random, batch) => {
        const shift = random.uniform();
        return Float32Array.from({ length: batch }, (_, i) =>
          upTo.findIndex((share) => share > (shift + i / batch) % 1),
        );
      };
    }
    default:
      return unreachable(rule);
  }
}

/**
 * Native times of a batch: one in every B-th part of the diffusion, all shifted by one random amount. Each is uniform by
 * itself, and the mean loss varies less than with independent ones (Kingma et al., "Variational Diffusion Models",
 * NeurIPS 2021, appendix I.1).
 * @param shift uniform in [0, 1)
 */
export function spreadTimes(shift: number, batch: number, steps: number): Float32Array {
  return Float32Array.from({ length: batch }, (_, i) => Math.floor(((shift + i / batch) % 1) * steps));
}

/** Share of the draws up to and with native t, [T]: of ln(sigma), up to half-way between those of t and t + 1. */
export function logNormalTimes(
  { mean, deviation }: { readonly mean: number; readonly deviation: number },
  { alphasCumprod }: Pick<Diffusion, 'alphasCumprod'>,
): Float64Array {
  const logSigmas = alphasCumprod.map((a) => Math.log((1 - a) / a) / 2);
  return logSigmas.map((here, t) => {
    const next = logSigmas[t + 1];
    return next === undefined ? 1 : normalShare(((here + next) / 2 - mean) / deviation);
  });
}

/**
 * Share of a standard normal distribution below z, to 1.5e-7 (Abramowitz and Stegun, "Handbook of Mathematical
 * Functions", 7.1.26): in a million draws none would differ.
 */
function normalShare(z: number): number {
  const x = Math.abs(z) * Math.SQRT1_2;
  const u = 1 / (1 + 0.3275911 * x);
  const tail =
    (u *
      (0.254829592 + u * (-0.284496736 + u * (1.421413741 + u * (-1.453152027 + u * 1.061405429)))) *
      Math.exp(-x * x)) /
    2;
  return z > 0 ? 1 - tail : tail;
}
