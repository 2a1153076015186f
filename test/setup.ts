// Matchers every test shares.
import { expect } from '@jest/globals';
import { tf } from '../src/engine/tf.js';

// No test reaches the hub; those of src/hub have one of their own on the loopback interface.
process.env.HF_HUB_OFFLINE = '1';

/** Largest absolute difference, with the index where it is; NaN anywhere counts as infinite. */
function worst(actual: ArrayLike<number>, expected: ArrayLike<number>): { difference: number; at: number } {
  let difference = 0;
  let at = 0;
  for (let i = 0; i < expected.length; i++) {
    const d = Math.abs((actual[i] ?? NaN) - (expected[i] ?? NaN));
    const known = Number.isNaN(d) ? Infinity : d;
    if (known > difference) [difference, at] = [known, i];
  }
  return { difference, at };
}

expect.extend({
  toBeAllClose(actual: ArrayLike<number>, expected: ArrayLike<number>, tolerance: number) {
    if (actual.length !== expected.length)
      return { pass: false, message: () => `has ${actual.length} numbers, expected ${expected.length}` };
    const { difference, at } = worst(actual, expected);
    return {
      pass: difference <= tolerance,
      message: () =>
        `differs by ${difference} at ${at} (${actual[at]}, expected ${expected[at]}); tolerance ${tolerance}`,
    };
  },
  async toKeepTensorCount(work: () => unknown) {
    const before = tf.memory().numTensors;
    await work();
    const after = tf.memory().numTensors;
    return { pass: after === before, message: () => `tensor count went from ${before} to ${after}` };
  },
});

declare module 'expect' {
  interface Matchers<R> {
    /** Every number within `tolerance` (absolute) of the expected one; NaN never is. */
    toBeAllClose(expected: ArrayLike<number>, tolerance: number): R;
    /** Running the function leaves as many live tensors as before. Await it. */
    toKeepTensorCount(): Promise<R>;
  }
}
