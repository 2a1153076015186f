import { beforeAll, describe, expect, it } from '@jest/globals';
import { tf } from '../../src/engine/tf.js';
import { emaStep } from '../../src/training/ema.js';

beforeAll(() => tf.setBackend('cpu'));

const one = (old: number, weight: number, step: number, decay: number): number =>
  emaStep({ w: tf.tensor1d([old]) }, { w: tf.tensor1d([weight]) }, tf.scalar(step), decay)[
    'w'
  ]!.dataSync()[0]!;

describe('emaStep', () => {
  it('follows the weights fast at first', () => {
    expect(one(0, 1, 1, 0.999)).toBeCloseTo(1 - 2 / 11, 6);
    expect(one(0, 1, 10, 0.999)).toBeCloseTo(1 - 11 / 20, 6);
  });
  it('settles at its decay', () => {
    expect(one(2, 4, 100_000, 0.999)).toBeCloseTo(2.002, 6);
    expect(one(2, 4, 5, 0.25)).toBeCloseTo(3.5, 6);
  });
  it('stays where the weights are', () => {
    expect(one(0.1, Math.fround(0.1), 3, 0.9)).toBe(Math.fround(0.1));
  });
  it('names an average that is missing', () => {
    expect(() => emaStep({}, { w: tf.scalar(1) }, tf.scalar(1), 0.9)).toThrow("'w' is missing");
  });
});
