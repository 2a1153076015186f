// How much does the loss of one sample count? Weights lambda(t) of the denoising loss.
import { unreachable } from '../errors.js';

/**
 * - uniform: every time counts the same (DDPM's simple loss);
 * - min-snr: min(snr, gamma) / snr for epsilon prediction (Hang et al., "Efficient Diffusion Training via Min-SNR
 *   Weighting Strategy", ICCV 2023, section 3.4).
 */
export type LambdaRule = { readonly kind: 'uniform' } | { readonly kind: 'min-snr'; readonly gamma: number };

/** The rule that a section `loss` names. */
export function lambdaRule({
  lambda,
  gamma,
}: {
  readonly lambda: LambdaRule['kind'];
  readonly gamma: number;
}): LambdaRule {
  switch (lambda) {
    case 'uniform':
      return { kind: lambda };
    case 'min-snr':
      return { kind: lambda, gamma };
    default:
      return unreachable(lambda);
  }
}

/** lambda(t) of every native t. @param alphasCumprod alpha_bar by native t */
export function lambdas(rule: LambdaRule, alphasCumprod: Float64Array): Float32Array {
  switch (rule.kind) {
    case 'uniform':
      return new Float32Array(alphasCumprod.length).fill(1);
    case 'min-snr':
      return Float32Array.from(alphasCumprod, (a) => {
        const snr = a / (1 - a);
        return Math.min(snr, rule.gamma) / snr;
      });
    default:
      return unreachable(rule);
  }
}
