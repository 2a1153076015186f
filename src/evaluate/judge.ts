// How good is a set of samples? All measures of what was seen in it, beside a reference set.
import { estimateOf, type Estimate } from './estimate.js';
import type { Seen } from './features.js';
import { frechetDistance, momentsOf, type Moments } from './frechet.js';
import { kernelDistance, kernelReference, type KernelReference } from './kid.js';

/** A reference set, with what does not depend on the sets that are compared with it. */
export interface Reference {
  readonly moments: Moments;
  readonly kernel: KernelReference;
}

/** Measures of one set. */
export interface Judgement {
  /** Fréchet distance, FID where the features are those of Inception. */
  readonly fid: number;
  /** Kernel distance, with what each sample has in it. */
  readonly kid: Estimate;
  /** Share of the samples, 0..1, that seem to show what they were asked for; undefined where nothing can be said. */
  readonly agreement: number | undefined;
}

/** @param features [count, width] of real images */
export async function referenceOf(features: Float32Array, width: number): Promise<Reference> {
  return { moments: momentsOf(features, width), kernel: await kernelReference(features, width) };
}

/**
 * @param labels [count]: the class that each sample was asked for, where the extractor decides between the same classes
 * @throws UserError if a number is not finite, or there are too few samples to compare
 */
export async function judge(
  { features, probabilities }: Seen,
  labels: Int32Array | undefined,
  { moments, kernel }: Reference,
): Promise<Judgement> {
  return {
    fid: frechetDistance(momentsOf(features, kernel.width), moments),
    kid: await kernelDistance(features, kernel),
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
