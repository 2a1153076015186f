// Are samples clearly of one class each, and of all classes together?
import { UserError } from '../errors.js';

/**
 * exp of the mean KL divergence of each sample's classes from the classes of all samples, with the natural logarithm
 * (Salimans et al., "Improved Techniques for Training GANs", 2016), over all samples at once: from 1, where all samples
 * seem alike, to the number of classes.
 * @param probabilities [count, classes], each row sums to 1
 * @throws UserError if there is no row, or one holds a number below 0 or does not sum to 1
 */
export function inceptionScore(probabilities: Float32Array, classes: number): number {
  const count = probabilities.length / classes;
  if (!Number.isInteger(count) || count < 1)
    throw new UserError(
      `an Inception Score got ${probabilities.length} numbers, expected at least one row of ${classes} probabilities. Give more images.`,
    );
  const average = new Float64Array(classes);
  for (let i = 0; i < count; i++) {
    const row = probabilities.subarray(i * classes, (i + 1) * classes);
    const sum = row.reduce((total, p) => total + p, 0);
    if (!(Math.abs(sum - 1) < tolerance) || row.some((p) => p < 0))
      throw new UserError(
        `an Inception Score got a row ${i} that sums to ${sum}, expected probabilities of at least 0 that sum to 1. ` +
          'Give the output after the softmax, or say that it holds logits.',
      );
    row.forEach((p, c) => {
      average[c] = (average[c] ?? 0) + p / count;
    });
  }
  // What is never probable adds nothing: p log p goes to 0.
  const divergence = probabilities.reduce((sum, p, i) => {
    if (p === 0) return sum;
    return sum + p * (Math.log(p) - Math.log(average[i % classes] ?? NaN));
  }, 0);
  return Math.exp(divergence / count);
}

/** Rounding of a softmax over thousands of classes in single precision stays below this. */
const tolerance = 1e-3;
