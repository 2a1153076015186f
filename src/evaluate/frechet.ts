// How far apart are two sets of feature vectors? The Fréchet distance of the normal distributions that fit them.
import { EigenvalueDecomposition, Matrix } from 'ml-matrix';
import { estimateOf, type Estimate } from './estimate.js';
import { requireVectors } from './vectors.js';

/** A normal distribution: what a set of feature vectors is taken for. All of it in double precision. */
export interface Moments {
  /** [width] */
  readonly mean: Float64Array;
  /** [width, width], with the divisor count - 1 */
  readonly covariance: Matrix;
}

/**
 * Mean and covariance of the rows of a set.
 * @param features [count, width]
 * @throws UserError if there are fewer than two rows, no whole number of them, or a number that is not finite
 */
export function momentsOf(features: Float32Array | Float64Array, width: number): Moments {
  const count = requireVectors(features, width, 2, 'a Fréchet distance');
  const mean = new Float64Array(width);
  features.forEach((value, i) => {
    mean[i % width] = (mean[i % width] ?? 0) + value / count;
  });
  const rows = centred(features, mean);
  const covariance = rows
    .transpose()
    .mmul(rows)
    .div(count - 1);
  return { mean, covariance };
}

/** [count, width], less the mean. */
function centred(features: Float32Array | Float64Array, mean: Float64Array): Matrix {
  const width = mean.length;
  return Matrix.from1DArray(
    features.length / width,
    width,
    Float64Array.from(features, (value, i) => value - (mean[i % width] ?? 0)),
  );
}

/**
 * |mean_a - mean_b|^2 + tr(A) + tr(B) - 2 tr((A B)^(1/2)) for the covariances A and B (Heusel et al., "GANs Trained by a
 * Two Time-Scale Update Rule", 2017). Never below 0 by more than rounding. Sets of few vectors come out too far apart,
 * so compare sets of one size only.
 */
export function frechetDistance(a: Moments, b: Moments): number {
  return distanceFrom(a, b, sharedRoots(a, b, rootsOf(b.covariance)));
}

/** A reference set, with what does not depend on the sets that are compared with it. */
export interface FrechetReference {
  /** [count, width] */
  readonly features: Float32Array;
  readonly width: number;
  readonly moments: Moments;
  /** Of the covariance. */
  readonly roots: Roots;
}

/** @throws UserError as `momentsOf` */
export function frechetReference(features: Float32Array, width: number): FrechetReference {
  const moments = momentsOf(features, width);
  return { features, width, moments, roots: rootsOf(moments.covariance) };
}

/**
 * The Fréchet distance with its standard error, from the derivative at the two normal distributions (Rippl, Munk, Sturm,
 * "Limit Laws of the Empirical Wasserstein Distance: Gaussian Distributions", 2016): a vector x of the set with mean m
 * and covariance A, against n and B, adds 2 (m - n).(x - m) + (x - m).(1 - T)(x - m), where
 * T = B^(1/2) (B^(1/2) A B^(1/2))^(-1/2) B^(1/2) moves the one distribution onto the other.
 *
 * It holds where there are many more vectors than numbers in one. That small sets come out too far apart is no part of
 * it: where two sets of one size are compared, most of that cancels.
 * @param generated [count, width]
 * @throws UserError as `momentsOf`
 */
export function frechetEstimate(generated: Float32Array, reference: FrechetReference): Estimate {
  const [a, b] = [momentsOf(generated, reference.width), reference.moments];
  const { root, inverse } = reference.roots;
  const shared = sharedRoots(a, b, reference.roots);
  return estimateOf(
    distanceFrom(a, b, shared),
    termsOf(generated, a, b, root.mmul(shared.inverse).mmul(root)),
    termsOf(reference.features, b, a, inverse.mmul(shared.root).mmul(inverse)),
  );
}

/** @param map [width, width], from the distribution of `own` to that of `other` */
function termsOf(features: Float32Array, own: Moments, other: Moments, map: Matrix): Float64Array {
  const rows = centred(features, own.mean);
  const bent = Matrix.sub(rows, rows.mmul(map));
  const shift = own.mean.map((value, k) => 2 * (value - (other.mean[k] ?? NaN)));
  return Float64Array.from({ length: rows.rows }, (_, i) =>
    shift.reduce((sum, move, k) => sum + (move + bent.get(i, k)) * rows.get(i, k), 0),
  );
}

/** The square root of a matrix, and the inverse of that. */
export interface Roots {
  readonly root: Matrix;
  readonly inverse: Matrix;
}

/**
 * Of B^(1/2) A B^(1/2), for the covariances A and B: its root has the trace of (A B)^(1/2), and it is symmetric where
 * A B is not.
 */
function sharedRoots(a: Moments, b: Moments, { root }: Roots): Roots {
  if (a.mean.length !== b.mean.length)
    throw new Error(`vectors of ${a.mean.length} and ${b.mean.length} numbers do not compare`);
  return rootsOf(symmetric(root.mmul(a.covariance).mmul(root)));
}

function distanceFrom(a: Moments, b: Moments, shared: Roots): number {
  const shift = a.mean.reduce((sum, value, i) => sum + (value - (b.mean[i] ?? NaN)) ** 2, 0);
  return shift + a.covariance.trace() + b.covariance.trace() - 2 * shared.root.trace();
}

/** Smaller eigenvalues, as a part of the largest, are rounding: no vector of the set goes that way. */
const leastShare = 1e-12;

/** Of a symmetric matrix without negative eigenvalues; what rounding makes negative counts as 0, whose inverse is left 0. */
function rootsOf(matrix: Matrix): Roots {
  const { eigenvectorMatrix: vectors, realEigenvalues } = new EigenvalueDecomposition(matrix, {
    assumeSymmetric: true,
  });
  const least = leastShare * realEigenvalues.reduce((most, value) => Math.max(most, value), 0);
  const turned = (of: (value: number) => number): Matrix =>
    vectors.clone().mulRowVector(realEigenvalues.map(of)).mmul(vectors.transpose());
  return {
    root: turned((value) => Math.sqrt(Math.max(value, 0))),
    inverse: turned((value) => (value > least ? 1 / Math.sqrt(value) : 0)),
  };
}

/** Without the last bits by which a product of symmetric matrices differs from its transpose. */
function symmetric(matrix: Matrix): Matrix {
  return Matrix.add(matrix, matrix.transpose()).div(2);
}
