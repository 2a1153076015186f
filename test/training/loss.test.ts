import { beforeAll, describe, expect, it } from '@jest/globals';
import { tf } from '../../src/engine/tf.js';
import { stream } from '../../src/random.js';
import { weightedError } from '../../src/training/loss.js';

beforeAll(() => tf.setBackend('cpu'));

describe('the weighted error', () => {
  it('is the mean over samples of lambda times the mean over elements of the square', () => {
    const [prediction, target] = ['a', 'b'].map((name) => stream(0, name).normals(3 * 2 * 4 * 4));
    const lambda = [0.5, 2, 0.1];
    let expected = 0;
    for (let i = 0; i < 3; i++) {
      let sum = 0;
      for (let j = i * 32; j < (i + 1) * 32; j++)
        sum += ((prediction?.[j] ?? NaN) - (target?.[j] ?? NaN)) ** 2;
      expected += ((lambda[i] ?? NaN) * sum) / 32 / 3;
    }
    const error = tf.tidy(() =>
      weightedError(
        tf.tensor4d(prediction!, [3, 2, 4, 4]),
        tf.tensor4d(target!, [3, 2, 4, 4]),
        tf.tensor1d(lambda),
      ).dataSync(),
    );
    expect(error).toBeAllClose([expected], 1e-6);
  });
});
