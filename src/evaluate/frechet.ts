// How far apart are two sets of feature vectors? The Fréchet distance of the normal distributions that fit them.
import { EigenvalueDecomposition, Matrix } from 'ml-matrix';
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
  const centred = Matrix.from1DArray(
    count,
    width,
    Float64Array.from(features, (value, i) => value - (mean[i % width] ?? 0)),
  );
  const covariance = centred
    .transpose()
    .mmul(centred)
    .div(count - 1);
  return { mean, covariance };
}

/**
 * |mean_a - mean_b|^2 + tr(A) + tr(B) - 2 tr((A B)^(1/2)) for the covariances A and B (Heusel et al., "GANs Trained by a
 * Two Time-Scale Update Rule", 2017). Never below 0 by more than rounding. Sets of few vectors come out too far apart,
 * so compare sets of one size only.
 */
export function frechetDistance(a: Moments, b: Moments): number {
  if (a.mean.length !== b.mean.length)
    throw new Error(`vectors of ${a.mean.length} and ${b.mean.length} numbers do not compare`);
  const shift = a.mean.reduce((sum, value, i) => sum + (value - (b.mean[i] ?? NaN)) ** 2, 0);
  // tr((A B)^(1/2)) is the sum of the roots of the eigenvalues of A^(1/2) B A^(1/2), which is symmetric where A B is not.
  const root = squareRoot(a.covariance);
  const middle = root.mmul(b.covariance).mmul(root);
  const shared = eigenvaluesOf(symmetric(middle)).reduce(
    (sum, value) => sum + Math.sqrt(Math.max(value, 0)),
    0,
  );
  return shift + a.covariance.trace() + b.covariance.trace() - 2 * shared;
}

/** Of a symmetric matrix without negative eigenvalues; what rounding makes negative counts as 0. */
function squareRoot(matrix: Matrix): Matrix {
  const { eigenvectorMatrix: vectors, realEigenvalues } = new EigenvalueDecomposition(matrix, {
    assumeSymmetric: true,
  });
  const roots = realEigenvalues.map((value) => Math.sqrt(Math.max(value, 0)));
  return vectors.clone().mulRowVector(roots).mmul(vectors.transpose());
}

function eigenvaluesOf(matrix: Matrix): readonly number[] {
  return new EigenvalueDecomposition(matrix, { assumeSymmetric: true }).realEigenvalues;
}

/** Without the last bits by which a product of symmetric matrices differs from its transpose. */
function symmetric(matrix: Matrix): Matrix {
  return Matrix.add(matrix, matrix.transpose()).div(2);
}
