import { describe, expect, it } from '@jest/globals';
import { UserError } from '../../src/errors.js';
import { inceptionScore } from '../../src/evaluate/inceptionScore.js';
import { fixtureFloats, fixtureJson } from '../fixtures.js';

describe('the Inception Score', () => {
  it('is the recorded one', () => {
    const { inception_score: expected } = fixtureJson('metrics/expected.json') as {
      inception_score: { value: number };
    };
    const score = inceptionScore(fixtureFloats('metrics/features.safetensors', 'probs'), 20);
    expect(Math.abs(score / expected.value - 1)).toBeLessThan(1e-6);
  });
  it('is 1 where all samples seem alike, and the number of classes where each has its own', () => {
    expect(inceptionScore(Float32Array.of(0.25, 0.75, 0.25, 0.75), 2)).toBeCloseTo(1, 12);
    expect(inceptionScore(Float32Array.of(1, 0, 0, 0, 1, 0, 0, 0, 1), 3)).toBeCloseTo(3, 12);
  });
  it.each([
    ['no rows', [], 'got 0 numbers'],
    ['half a row', [1], 'got 1 numbers, expected at least one row of 2'],
    ['logits', [1, 0, 2, -1], 'row 1 that sums to 1'],
    ['rows that do not sum to 1', [0.5, 0.6], 'row 0 that sums to 1.1'],
    ['what is no number', [NaN, 0], 'row 0 that sums to NaN'],
  ])('refuses %s', (_, numbers, reason) => {
    const score = (): number => inceptionScore(Float32Array.from(numbers), 2);
    expect(score).toThrow(UserError);
    expect(score).toThrow(reason);
  });
});
