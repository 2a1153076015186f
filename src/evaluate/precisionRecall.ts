// How many samples look real, and how much of what is real do they show? Precision and recall of sets of feature vectors.
import { forProducts } from './products.js';
import { requireVectors } from './vectors.js';

/** A set of vectors with the ball of each, which reaches to its k-th nearest neighbour in the set. */
export interface Manifold {
  /** [count, width] */
  readonly features: Float32Array;
  readonly width: number;
  /** Squared length of each vector, [count]. */
  readonly squares: Float64Array;
  /** Squared radius of each ball, [count]. */
  readonly radii: Float64Array;
}

export interface PrecisionRecall {
  /** Share of the generated vectors, 0..1, that lie in a ball of the reference. */
  readonly precision: number;
  /** Share of the reference's vectors that lie in a ball of the generated. */
  readonly recall: number;
}

/** Neighbours that a ball reaches to: k. */
const neighbours = 3;

/**
 * The balls that a set is taken for (Kynkäänniemi et al., "Improved Precision and Recall Metric for Assessing Generative
 * Models", 2019): the radius of each is the Euclidean distance to the third-nearest other vector of the set.
 * @param features [count, width]
 * @throws UserError if there are fewer than four vectors, or a number is not finite
 */
export async function manifoldOf(features: Float32Array, width: number): Promise<Manifold> {
  const count = requireVectors(features, width, neighbours + 1, 'precision and recall');
  const squares = squaresOf(features, width);
  const set = { features, width, squares };
  const radii = new Float64Array(count);
  await forProducts(features, features, width, (i, products) => {
    const distances = distancesFrom(i, set, set, products);
    const nearest = new Float64Array(neighbours).fill(Infinity);
    for (let j = 0; j < count; j++) {
      if (j === i || distances.least(j) >= (nearest[neighbours - 1] ?? NaN)) continue;
      insert(nearest, distances.exact(j));
    }
    radii[i] = nearest[neighbours - 1] ?? NaN;
  });
  return { ...set, radii };
}

/** A vector on the edge of a ball lies in it. Sets of different sizes have balls of different sizes: compare like with like. */
export async function precisionRecall(generated: Manifold, reference: Manifold): Promise<PrecisionRecall> {
  const [count, others] = [generated.radii.length, reference.radii.length];
  const looksReal = new Uint8Array(count);
  const isShown = new Uint8Array(others);
  await forProducts(generated.features, reference.features, generated.width, (i, products) => {
    const distances = distancesFrom(i, generated, reference, products);
    const radius = generated.radii[i] ?? NaN;
    for (let j = 0; j < others; j++) {
      if (looksReal[i] === 0 && distances.isWithin(j, reference.radii[j] ?? NaN)) looksReal[i] = 1;
      if (isShown[j] === 0 && distances.isWithin(j, radius)) isShown[j] = 1;
    }
  });
  return { precision: shareOf(looksReal), recall: shareOf(isShown) };
}

type Points = Omit<Manifold, 'radii'>;

/** Squared distances of one vector to those of a set. */
interface Distances {
  /** No more than the distance to vector j. */
  least(j: number): number;
  exact(j: number): number;
  isWithin(j: number, radius: number): boolean;
}

/**
 * Products in single precision say of most distances on which side of a radius they lie: |x - y|^2 = |x|^2 + |y|^2 - 2 x.y,
 * and a product is wrong by no more than `width` roundings of 2^-24 of |x| |y| (Higham, "Accuracy and Stability of
 * Numerical Algorithms", section 3.1). The few distances in between are computed anew, in double precision.
 */
function distancesFrom(i: number, from: Points, to: Points, products: Float32Array): Distances {
  const square = from.squares[i] ?? NaN;
  const roundings = (from.width + 1) * 2 ** -24;
  const about = (j: number): number => square + (to.squares[j] ?? NaN) - 2 * (products[j] ?? NaN);
  const slack = (j: number): number => roundings * (square + (to.squares[j] ?? NaN));
  const exact = (j: number): number => squaredDistance(from, i, to, j);
  return {
    exact,
    least: (j) => about(j) - slack(j),
    isWithin(j, radius) {
      const difference = about(j) - radius;
      if (Math.abs(difference) > slack(j)) return difference < 0;
      return exact(j) <= radius;
    },
  };
}

function squaredDistance(a: Points, i: number, b: Points, j: number): number {
  const { width } = a;
  let sum = 0;
  for (let k = 0; k < width; k++)
    sum += ((a.features[i * width + k] ?? NaN) - (b.features[j * width + k] ?? NaN)) ** 2;
  return sum;
}

function squaresOf(features: Float32Array, width: number): Float64Array {
  const squares = new Float64Array(features.length / width);
  features.forEach((value, i) => {
    const row = Math.floor(i / width);
    squares[row] = (squares[row] ?? 0) + value * value;
  });
  return squares;
}

/** Into its place among the nearest, which ascend; the farthest of them goes. */
function insert(nearest: Float64Array, distance: number): void {
  let at = nearest.length - 1;
  if (distance >= (nearest[at] ?? NaN)) return;
  for (; at > 0 && (nearest[at - 1] ?? NaN) > distance; at--) nearest[at] = nearest[at - 1] ?? NaN;
  nearest[at] = distance;
}

function shareOf(flags: Uint8Array): number {
  return flags.reduce((sum, flag) => sum + flag, 0) / flags.length;
}
