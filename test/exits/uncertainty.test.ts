import { beforeAll, describe, expect, it } from '@jest/globals';
import { UserError } from '../../src/errors.js';
import { tf } from '../../src/engine/tf.js';
import {
  errorIn,
  initialUncertainty,
  uncertainExits,
  uncertaintyAt,
  uncertaintyLoss,
  uncertaintyShapes,
  type Uncertainty,
} from '../../src/exits/uncertainty.js';
import { stream } from '../../src/random.js';
import { uploadAll } from '../fixtures.js';
import { moved, spec } from '../training/tiny.js';
import { plainUncertainties } from './plainUncertainty.js';

const logExcess: Uncertainty = { form: 'log-excess', exits: [1, 2], bottleneck: 3 };
const deediff: Uncertainty = { form: 'deediff', exits: [2] };
const numbers = (): Float32Array => stream(0, 'hidden').normals(2 * spec.tokens * spec.width);
const hidden = (): { hidden: tf.Tensor3D } => ({
  hidden: tf.tensor3d(numbers(), [2, spec.tokens, spec.width]),
});
const t = (): tf.Tensor1D => tf.tensor1d([10, 90]);

beforeAll(() => tf.setBackend('cpu'));

describe('an uncertainty head', () => {
  it('says an excess of 1 before it is trained, and its bias is a logarithm', () => {
    const weights = initialUncertainty(spec, logExcess, 0);
    const bias = { shape: [1], data: Float32Array.of(Math.log(0.02)) };
    const said = tf.tidy(() =>
      [weights, { ...weights, 'uncertainty.2.up.bias': bias }].map((of) =>
        uncertaintyAt(logExcess, 2, uploadAll(of), hidden(), t()).dataSync(),
      ),
    );
    expect(said[0]).toBeAllClose([1, 1], 1e-6);
    expect(said[1]).toBeAllClose([0.02, 0.02], 1e-7);
  });

  it.each([logExcess, deediff])('says what its formula says: $form', (plan) => {
    const weights = moved(initialUncertainty(spec, plan, 3), 0.3);
    const said = tf.tidy(() => uncertaintyAt(plan, 2, uploadAll(weights), hidden(), t()).dataSync());
    const expected = plainUncertainties(spec, plan.form, 2, weights, numbers(), [10, 90]);
    expect(Array.from(said, (u, i) => u / (expected[i] ?? NaN))).toBeAllClose([1, 1], 1e-5);
    // So far apart that what tells the samples apart counts.
    expect(Math.abs(Math.log((expected[0] ?? NaN) / (expected[1] ?? NaN)))).toBeGreaterThan(0.01);
  });

  it('measures squares, or tanh of sizes, as means over elements', () => {
    const [a, b] = [
      [0, 1, 2, 3],
      [0, 0, 0, 1],
    ];
    const errors = (form: Uncertainty['form']): Float32Array | Int32Array | Uint8Array =>
      tf.tidy(() => errorIn(form, tf.tensor4d(a, [2, 1, 1, 2]), tf.tensor4d(b, [2, 1, 1, 2])).dataSync());
    expect(errors('log-excess')).toBeAllClose([0.5, 4], 1e-6);
    expect(errors('deediff')).toBeAllClose([Math.tanh(1) / 2, Math.tanh(2)], 1e-6);
  });

  it('loses nothing where it says the excess, and r - ln r - 1 elsewhere', () => {
    const weights = initialUncertainty(spec, logExcess, 0);
    const lost = (error: number[]): number =>
      tf.tidy(
        () =>
          uncertaintyLoss(
            logExcess,
            1,
            uploadAll(weights),
            hidden(),
            t(),
            tf.tensor1d(error),
          ).dataSync()[0] ?? NaN,
      );
    expect(lost([1, 1])).toBeCloseTo(0, 6);
    expect(lost([3, 0.5])).toBeCloseTo((3 - Math.log(3) - 1 + 0.5 - Math.log(0.5) - 1) / 2, 5);
    // An error of nothing is no infinite loss.
    expect(lost([0, 0])).toBeCloseTo(-Math.log(1e-12) - 1, 3);
  });

  it('of DeeDiff loses the squared distance of what it says to the error', () => {
    const weights = initialUncertainty(spec, deediff, 3);
    const error = [0.3, 0.05];
    const lost = tf.tidy(() =>
      uncertaintyLoss(deediff, 2, uploadAll(weights), hidden(), t(), tf.tensor1d(error)).dataSync(),
    );
    const squares = plainUncertainties(spec, 'deediff', 2, weights, numbers(), [10, 90]).map(
      (u, i) => (u - (error[i] ?? NaN)) ** 2,
    );
    expect(lost).toBeAllClose([squares.reduce((sum, square) => sum + square, 0) / 2], 1e-6);
  });

  it('has so many weights', () => {
    const { width } = spec;
    expect(uncertaintyShapes(spec, { ...logExcess, exits: [1] })).toEqual({
      'uncertainty.1.down.weight': [3, 2 * width],
      'uncertainty.1.down.bias': [3],
      'uncertainty.1.time.weight': [3, 64],
      'uncertainty.1.time.bias': [3],
      'uncertainty.1.up.weight': [1, 3],
      'uncertainty.1.up.bias': [1],
    });
    expect(uncertaintyShapes(spec, deediff)).toEqual({
      'uncertainty.2.token.weight': [1, width],
      'uncertainty.2.token.bias': [1],
      'uncertainty.2.time.weight': [1, 64],
    });
  });

  it('is not made for heads that remember', () => {
    expect(uncertainExits([{ kind: 'shared', exit: 2 }])).toEqual([2]);
    expect(() => uncertainExits([{ kind: 'remembered', exit: 1 }])).toThrow(UserError);
    expect(() => uncertainExits([])).toThrow('no heads');
  });
});
