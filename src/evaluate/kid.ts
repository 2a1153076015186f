// How far apart are two sets of feature vectors, whatever their distribution? The kernel distance, with its standard error.
import { estimateOf, meanOf, type Estimate } from './estimate.js';
import { forProducts } from './products.js';
import { requireVectors } from './vectors.js';

/** A reference set, with what does not depend on the sets that are compared with it. */
export interface KernelReference {
  /** [count, width] */
  readonly features: Float32Array;
  readonly width: number;
  /** [count]: mean kernel of each vector with the others. */
  readonly within: Float64Array;
}

/**
 * @param features [count, width]
 * @throws UserError if there are fewer than two vectors, or a number is not finite
 */
export async function kernelReference(features: Float32Array, width: number): Promise<KernelReference> {
  requireVectors(features, width, 2, 'a kernel distance');
  return { features, width, within: await meansWithin(features, width) };
}

/**
 * The squared maximum mean discrepancy under the kernel k(x, y) = (x.y / width + 1)^3, estimated without bias over
 * whole sets (Binkowski et al., "Demystifying MMD GANs", 2018, equation 4): mean of k within each set without the
 * diagonal, less twice the mean of k between them. Below 0 by chance where the sets are alike.
 *
 * The standard error is that of the first-order terms of this U-statistic, 2 (mean k within - mean k between) of each
 * vector (Hoeffding, "A Class of Statistics with Asymptotically Normal Distribution", 1948; Gretton et al., "A Kernel
 * Two-Sample Test", 2012, section 6), which are themselves estimated from the sets. That counts the second-order part
 * of the variance twice: of no weight where sets differ, and where both are from one distribution the standard error
 * comes out too large by the root of 2.
 * @param generated [count, width]
 * @throws UserError if there are fewer than two vectors, or a number is not finite
 */
export async function kernelDistance(
  generated: Float32Array,
  { features: reference, width, within: referenceWithin }: KernelReference,
): Promise<Estimate> {
  requireVectors(generated, width, 2, 'a kernel distance');
  const within = await meansWithin(generated, width);
  const { left, right } = await meansBetween(generated, reference, width);
  const terms = within.map((mean, i) => 2 * (mean - (left[i] ?? NaN)));
  const referenceTerms = referenceWithin.map((mean, j) => 2 * (mean - (right[j] ?? NaN)));
  return estimateOf((meanOf(terms) + meanOf(referenceTerms)) / 2, terms, referenceTerms);
}

/** Mean kernel of each vector with the others of its set. */
async function meansWithin(x: Float32Array, width: number): Promise<Float64Array> {
  const count = x.length / width;
  const means = new Float64Array(count);
  await forProducts(x, x, width, (i, products) => {
    let sum = 0;
    for (const product of products) sum += kernel(product, width);
    means[i] = (sum - kernel(products[i] ?? NaN, width)) / (count - 1);
  });
  return means;
}

interface Means {
  /** Mean kernel of each vector of the first set with all of the second. */
  readonly left: Float64Array;
  /** The other way round. */
  readonly right: Float64Array;
}

async function meansBetween(x: Float32Array, y: Float32Array, width: number): Promise<Means> {
  const [count, others] = [x.length / width, y.length / width];
  const left = new Float64Array(count);
  const right = new Float64Array(others);
  await forProducts(x, y, width, (i, products) => {
    let sum = 0;
    for (let j = 0; j < others; j++) {
      const k = kernel(products[j] ?? NaN, width);
      sum += k;
      right[j] = (right[j] ?? 0) + k / count;
    }
    left[i] = sum / others;
  });
  return { left, right };
}

function kernel(product: number, width: number): number {
  const base = product / width + 1;
  return base * base * base;
}
