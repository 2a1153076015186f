// How much does the loss of one sample count? Weights lambda(t) of the denoising loss.
import { epsilonPer, type PredictionKind } from '../diffusion/prediction.js';
import { unreachable } from '../errors.js';

/**
 * Every rule but uniform says how much the squared error of epsilon counts at a signal-to-noise ratio
 * snr = a / (1 - a), a = alphasCumprod[t]; where something else is predicted, the weight is converted, so that the same
 * rule means the same there.
 * - uniform: 1 on whatever is predicted (DDPM's simple loss, Ho et al. 2020, equation 14);
 * - snr: 1, which is SNR on the error of x0 (Salimans and Ho, "Progressive Distillation", ICLR 2022, section 4);
 * - min-snr: min(snr, gamma) / snr (Hang et al., "Efficient Diffusion Training via Min-SNR Weighting Strategy", ICCV
 *   2023, section 3.4);
 * - soft-min-snr: gamma / (snr + gamma) (Crowson et al., "Hourglass Diffusion Transformers", ICML 2024, section 4.4);
 * - p2: 1 / (k + snr)^gamma (Choi et al., "Perception Prioritized Training", CVPR 2022, equation 8);
 * - edm: 1 + 1 / (snr sigmaData^2), from (sigma^2 + sigmaData^2) / (sigma sigmaData)^2 on the error of x0 with
 *   sigma^2 = 1 / snr (Karras et al., "Elucidating the Design Space", NeurIPS 2022, table 1);
 * - table: what a table says, on straight lines between its points and level beyond them;
 * - error: one over an error that was measured, so that all times count alike; scaled to a mean of 1 over all t.
 */
export type LambdaRule =
  | { readonly kind: 'uniform' }
  | { readonly kind: 'snr' }
  | { readonly kind: 'min-snr'; readonly gamma: number }
  | { readonly kind: 'soft-min-snr'; readonly gamma: number }
  | { readonly kind: 'p2'; readonly k: number; readonly gamma: number }
  | { readonly kind: 'edm'; readonly sigmaData: number }
  | { readonly kind: 'table'; readonly table: TimeTable }
  | {
      readonly kind: 'error';
      /** Mean squared error of epsilon by native t, [T]. */
      readonly errors: Float64Array;
    };

/** Weights at some times. */
export interface TimeTable {
  /** What `at` counts: native t, or log-SNR, ln(snr). */
  readonly axis: 't' | 'logSnr';
  /** `at` ascends. */
  readonly points: readonly { readonly at: number; readonly weight: number }[];
}

/**
 * lambda(t) of every native t, for the squared error of what is predicted.
 * @param alphasCumprod alpha_bar by native t
 */
export function lambdas(
  rule: LambdaRule,
  alphasCumprod: Float64Array,
  prediction: PredictionKind = 'epsilon',
): Float32Array {
  if (rule.kind === 'uniform') return new Float32Array(alphasCumprod.length).fill(1);
  const weights = epsilonWeights(rule, alphasCumprod);
  return Float32Array.from(alphasCumprod, (a, t) => (weights[t] ?? NaN) * epsilonPer(prediction, a));
}

function epsilonWeights(
  rule: Exclude<LambdaRule, { kind: 'uniform' }>,
  alphasCumprod: Float64Array,
): Float64Array {
  const bySnr = (weight: (snr: number, t: number) => number): Float64Array =>
    alphasCumprod.map((a, t) => weight(a / (1 - a), t));
  switch (rule.kind) {
    case 'snr':
      return bySnr(() => 1);
    case 'min-snr':
      return bySnr((snr) => Math.min(snr, rule.gamma) / snr);
    case 'soft-min-snr':
      return bySnr((snr) => rule.gamma / (snr + rule.gamma));
    case 'p2':
      return bySnr((snr) => 1 / (rule.k + snr) ** rule.gamma);
    case 'edm':
      return bySnr((snr) => 1 + 1 / (snr * rule.sigmaData ** 2));
    case 'table':
      return bySnr((snr, t) => weightAt(rule.table, rule.table.axis === 't' ? t : Math.log(snr)));
    case 'error': {
      const inverse = rule.errors.map((error) => 1 / error);
      const mean = inverse.reduce((sum, value) => sum + value, 0) / inverse.length;
      return bySnr((_, t) => (inverse[t] ?? NaN) / mean);
    }
    default:
      return unreachable(rule);
  }
}

/** On the straight line between the two points around it, and level beyond the first and the last. */
export function weightAt({ points }: TimeTable, at: number): number {
  const after = points.findIndex((point) => point.at > at);
  const [low, high] = [points[after < 0 ? points.length - 1 : after - 1], points[after]];
  if (!low || !high) return (low ?? high)?.weight ?? NaN;
  const share = (at - low.at) / (high.at - low.at);
  return low.weight + share * (high.weight - low.weight);
}
