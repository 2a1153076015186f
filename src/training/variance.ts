// How good is a learned variance? The variational bound of Improved DDPM, in which the mean has no say.
import { withGradient } from '../backbones/composites.js';
import type { Diffusion } from '../diffusion/betas.js';
import type { InputSpec, Tensors } from '../engine/engine.js';
import { tf } from '../engine/tf.js';
import { UserError } from '../errors.js';

/** Half of the distance between two neighbours of the 256 values of a pixel in -1..1. */
const halfLevel = 1 / 255;
/** Where a pixel is black or white: the likelihood takes all that lies beyond. */
const edge = 0.999;
const leastProbability = 1e-12;

/**
 * What `variationalBound` reads of each sample's time:
 * - varianceRange: ln(beta) less the logarithm of the posterior's variance, between which the model's lies;
 * - meanGap: how many deviations of the posterior its mean moves where the noise is off by 1;
 * - pixelGap: how many of them half a level of a pixel is, at t = 0; 0 at all other times;
 * - signal, spread: sqrt(alphasCumprod) and sqrt(1 - alphasCumprod).
 */
const tableNames = ['varianceRange', 'meanGap', 'pixelGap', 'signal', 'spread'] as const;
type TableName = (typeof tableNames)[number];

/** Inputs that `variationalBound` takes from a batch, one number a sample. */
export const boundInputs: Readonly<Record<TableName, InputSpec>> = {
  varianceRange: { shape: ['batch'] },
  meanGap: { shape: ['batch'] },
  pixelGap: { shape: ['batch'] },
  signal: { shape: ['batch'] },
  spread: { shape: ['batch'] },
};

/**
 * Those inputs by native t, [T] each: tables for `noisyBatches`, which gives every sample the numbers of its time.
 * At t = 0, where the posterior has no variance, that of t = 1 stands in, as in the official code.
 * @throws UserError if there is no t = 1
 */
export function boundTables({
  steps,
  betas,
  alphasCumprod,
}: Diffusion): Readonly<Record<TableName, Float32Array>> {
  if (steps < 2)
    throw new UserError(`diffusion.steps is ${steps}; a learned variance is trained with at least 2.`);
  const alphaBefore = (t: number): number => (t === 0 ? 1 : (alphasCumprod[t - 1] ?? NaN));
  const table = (value: (a: number, beta: number, t: number) => number): Float32Array =>
    Float32Array.from(alphasCumprod, (a, t) => value(a, betas[t] ?? NaN, t));
  const posterior = betas.map((_, t) => {
    const at = Math.max(t, 1);
    return ((betas[at] ?? NaN) * (1 - alphaBefore(at))) / (1 - (alphasCumprod[at] ?? NaN));
  });
  const deviation = (t: number): number => Math.sqrt(posterior[t] ?? NaN);
  return {
    varianceRange: table((_, beta, t) => Math.log(beta) - Math.log(posterior[t] ?? NaN)),
    // The mean's weight of x0 (DDPM, equation 7) times what x0 is off by where the noise is off by 1.
    meanGap: table((a, beta, t) => {
      const imageWeight = (beta * Math.sqrt(alphaBefore(t))) / (1 - a);
      return (imageWeight * Math.sqrt((1 - a) / a)) / deviation(t);
    }),
    pixelGap: table((_, _beta, t) => (t === 0 ? halfLevel / deviation(t) : 0)),
    signal: table((a) => Math.sqrt(a)),
    spread: table((a) => Math.sqrt(1 - a)),
  };
}

/** What a model says of a batch, and what is so. [B, C, H, W] each. */
export interface Judged {
  /** Predicted noise. The bound has no gradient by it. */
  readonly epsilon: tf.Tensor;
  /** Predicted variance, -1 the smallest and 1 the largest that the posterior can have (`varianceOf`). */
  readonly variance: tf.Tensor;
  readonly x: tf.Tensor;
  /** The noise in x. */
  readonly noise: tf.Tensor;
}

/**
 * The term of the variational bound at each sample's time, in bits per dimension (Nichol and Dhariwal, "Improved
 * DDPM", ICML 2021, section 3.1, as the official code of DiT has it): the divergence of the model's step from the
 * posterior's, and at t = 0 the negative log-likelihood of the image in 256 levels.
 *
 * Both are written in deviations of the posterior. With q = (variance + 1) / 2 * varianceRange, the logarithm of the
 * model's variance over the posterior's, and z = meanGap (epsilon - noise), the divergence is
 * (q - 1 + (1 + z^2) exp(-q)) / 2. The mean is cut from the gradient, so the term moves the variance and nothing else.
 * @param batch inputs under the names of `boundInputs`, [B] each
 * @returns [B]; the loss of DiT is its mean over samples plus that of the squared error of epsilon
 */
export function variationalBound({ epsilon, variance, x, noise }: Judged, batch: Tensors): tf.Tensor1D {
  const each = (name: TableName): tf.Tensor => {
    const input = batch[name];
    if (!input) throw new Error(`a variational bound needs ${tableNames.join(', ')}`);
    return tf.reshape(input, [-1, 1, 1, 1]);
  };
  const above = tf.mul(tf.div(tf.add(variance, 1), 2), each('varianceRange'));
  const gap = tf.mul(each('meanGap'), tf.sub(withoutGradient(epsilon), noise));
  const divergence = tf.div(
    tf.add(tf.sub(above, 1), tf.mul(tf.add(tf.square(gap), 1), tf.exp(tf.neg(above)))),
    2,
  );
  const image = tf.div(tf.sub(x, tf.mul(each('spread'), noise)), each('signal'));
  const pixelGap = each('pixelGap');
  const unlikely = tf.neg(logLikelihood(image, gap, pixelGap, above));
  const first = tf.cast(tf.greater(pixelGap, 0), 'float32');
  const nats = tf.add(tf.mul(first, unlikely), tf.mul(tf.sub(1, first), divergence));
  return tf.div<tf.Tensor1D>(tf.mean(nats, [1, 2, 3]), Math.LN2);
}

/**
 * Logarithm of the probability of every pixel's level under a normal distribution. Half a level to both sides; a black
 * or white pixel takes all that lies beyond.
 * @param gap image less mean, in deviations of the posterior
 * @param half half a level in the same
 * @param above logarithm of the variance over the posterior's
 */
function logLikelihood(image: tf.Tensor, gap: tf.Tensor, half: tf.Tensor, above: tf.Tensor): tf.Tensor {
  const inverse = tf.exp(tf.div(above, -2));
  const upTo = normalShare(tf.mul(inverse, tf.add(gap, half)));
  const below = normalShare(tf.mul(inverse, tf.sub(gap, half)));
  const log = (share: tf.Tensor): tf.Tensor => tf.log(tf.clipByValue(share, leastProbability, 1));
  const inside = tf.where(tf.greater(image, edge), log(tf.sub(1, below)), log(tf.sub(upTo, below)));
  return tf.where(tf.less(image, -edge), log(upTo), inside);
}

/** Share of a standard normal distribution below z, by the approximation of the official code (Page 1977). */
function normalShare(z: tf.Tensor): tf.Tensor {
  const cubic = tf.mul(Math.sqrt(2 / Math.PI), tf.add(z, tf.mul(0.044715, tf.mul(z, tf.square(z)))));
  return tf.div(tf.add(tf.tanh(cubic), 1), 2);
}

/** The same numbers, by which nothing is differentiated. */
function withoutGradient(x: tf.Tensor): tf.Tensor {
  return withGradient(
    [x],
    (given) => ({ value: tf.clone(given), saved: [] }),
    (dy) => [tf.zerosLike(dy)],
  );
}
