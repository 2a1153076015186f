import { describe, expect, it } from '@jest/globals';
import { tooFew } from '../../src/evaluate/tooFew.js';

describe('a warning of too few samples', () => {
  it.each([
    [99, 4, '99 samples are too few'],
    [128, 128, 'do not fill the 128 dimensions'],
    [1279, 128, 'are few for features of 128 numbers'],
    [10_000, 2048, 'or take 20480 samples'],
  ])('comes with %d samples of %d numbers', (count, width, text) => {
    expect(tooFew(count, width)).toContain(text);
  });
  it.each([
    [100, 10],
    [1280, 128],
  ])('does not come with %d samples of %d numbers', (count, width) => {
    expect(tooFew(count, width)).toBeUndefined();
  });
});
