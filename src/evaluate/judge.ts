// How good is a set of samples? All measures of what was seen in it, beside a reference set.
import { estimateOf, type Estimate } from './estimate.js';
import type { Seen } from './features.js';
import { frechetEstimate, frechetReference, type FrechetReference } from './frechet.js';
import { inceptionScore } from './inceptionScore.js';
import { kernelDistance, kernelReference, type KernelReference } from './kid.js';
import { manifoldOf, precisionRecall, type Manifold, type PrecisionRecall } from './precisionRecall.js';

/** A reference set, with what does not depend on the sets that are compared with it. */
export interface Reference {
  readonly width: number;
  readonly frechet: FrechetReference;
  readonly kernel: KernelReference;
  readonly manifold: Manifold;
}

/** Measures of one set. */
export interface Judgement extends PrecisionRecall {
  /** Fréchet distance: FID where the features are those of Inception. */
  readonly fid: Estimate;
  /** Kernel distance. */
  readonly kid: Estimate;
  /** Undefined where the extractor decides nothing. */
  readonly inceptionScore: number | undefined;
  /** Share of the samples, 0..1, that seem to show what they were asked for; undefined where nothing can be said. */
  readonly agreement: number | undefined;
}

/**
 * @param features [count, width] of real images
 * @throws UserError if there are fewer than four, or a number is not finite
 */
export async function referenceOf(features: Float32Array, width: number): Promise<Reference> {
  return {
    width,
    frechet: frechetReference(features, width),
    kernel: await kernelReference(features, width),
    manifold: await manifoldOf(features, width),
  };
}

/**
 * @param labels [count]: the class that each sample was asked for, where the extractor decides between the same classes
 * @throws UserError if a number is not finite, or there are too few samples to compare
 */
export async function judge(
  { features, probabilities }: Seen,
  labels: Int32Array | undefined,
  { width, frechet, kernel, manifold }: Reference,
): Promise<Judgement> {
  const count = features.length / width;
  return {
    fid: frechetEstimate(features, frechet),
    kid: await kernelDistance(features, kernel),
    ...(await precisionRecall(await manifoldOf(features, width), manifold)),
    inceptionScore: probabilities && inceptionScore(probabilities, probabilities.length / count),
    agreement: labels && probabilities && agreeing(probabilities, labels),
  };
}

/** @param probabilities [count, classes] */
function agreeing(probabilities: Float32Array, labels: Int32Array): number {
  const classes = probabilities.length / labels.length;
  const right = labels.filter((label, i) => {
    const row = probabilities.subarray(i * classes, (i + 1) * classes);
    return row.indexOf(Math.max(...row)) === label;
  });
  return right.length / labels.length;
}

/**
 * One estimate of sets drawn from different seeds and compared with one reference: their mean, to which each sample adds
 * its part and each reference vector its mean part.
 */
export function pooled(estimates: readonly Estimate[]): Estimate {
  const [first] = estimates;
  if (!first) throw new RangeError('there are no estimates to pool');
  const { referenceTerms } = first;
  return estimateOf(
    estimates.reduce((sum, { value }) => sum + value / estimates.length, 0),
    Float64Array.from(estimates.flatMap(({ terms }) => [...terms])),
    referenceTerms.map((_, j) =>
      estimates.reduce((sum, one) => sum + (one.referenceTerms[j] ?? NaN) / estimates.length, 0),
    ),
  );
}
