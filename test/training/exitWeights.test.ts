import { describe, expect, it } from '@jest/globals';
import { UserError } from '../../src/errors.js';
import { exitWeights, type ExitWeighting } from '../../src/training/exitWeights.js';

const exits = [2, 3, 5];
const costs = () => ({ exits: [30, 50, 110], full: 100 });
const uncounted = () => {
  throw new Error('nothing asks for the costs');
};

describe('weights of exits', () => {
  it.each<[ExitWeighting, number[]]>([
    ['uniform', [1 / 3, 1 / 3, 1 / 3]],
    ['linear', [2 / 10, 3 / 10, 5 / 10]],
    // 1/2 + 1/3 + 1/5 = 31/30
    ['inverse', [15 / 31, 10 / 31, 6 / 31]],
    [
      [1, 0, 3],
      [0.25, 0, 0.75],
    ],
  ])('are %s, and add up to 1', (weighting, expected) => {
    const weights = exitWeights(weighting, exits, uncounted);
    expect(weights).toBeAllClose(expected, 1e-12);
    expect(weights.reduce((sum, weight) => sum + weight, 0)).toBeCloseTo(1, 12);
  });

  it('are the multiply-adds saved, none where a head takes more than the blocks left out', () => {
    expect(exitWeights('macs', exits, costs)).toBeAllClose([7 / 12, 5 / 12, 0], 1e-12);
  });

  it('are refused where they do not fit the exits, or none counts', () => {
    expect(() => exitWeights([1, 2], exits, uncounted)).toThrow(UserError);
    expect(() => exitWeights([1, 2], exits, uncounted)).toThrow(
      'loss.exitWeights has 2 numbers for the 3 exits 2, 3, 5. Give one for each.',
    );
    const none = () => ({ exits: [100, 100, 110], full: 100 });
    expect(() => exitWeights('macs', exits, none)).toThrow(/none of the exits 2, 3, 5 counts: none saves/);
  });
});
