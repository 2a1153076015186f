import { describe, expect, it } from '@jest/globals';
import { importanceAt, type Curriculum } from '../../src/training/curriculum.js';

const weights = [0.1, 0.2, 0.3, 0.25, 0.15];
const steps = 100;
const at = (curriculum: Curriculum, step: number, of: readonly number[] = weights): readonly number[] =>
  importanceAt(curriculum, of, step, steps);

describe('a curriculum', () => {
  it('of all heads weighs them alike in every step', () => {
    for (const step of [0, 50, 99]) expect(at({ kind: 'all' }, step)).toEqual(weights);
  });

  it('that rotates gives every group its turn, and every head its weight over a whole turn', () => {
    const rotating = { kind: 'rotating', group: 2 } as const;
    expect(at(rotating, 0)).toBeAllClose([0.3, 0.6, 0, 0, 0], 1e-12);
    expect(at(rotating, 1)).toBeAllClose([0, 0, 0.9, 0.75, 0], 1e-12);
    expect(at(rotating, 5)).toBeAllClose([0, 0, 0, 0, 0.45], 1e-12);
    for (const group of [1, 2, 3, 5, 9]) {
      const turn = Math.ceil(5 / group);
      const mean = weights.map((_, k) =>
        Array.from(
          { length: turn },
          (_, step) => at({ kind: 'rotating', group }, 7 * turn + step)[k] ?? NaN,
        ).reduce((sum, value) => sum + value / turn, 0),
      );
      expect(mean).toBeAllClose(weights, 1e-12);
    }
  });

  it('that is gradual begins with the deepest head and has all of them after its share', () => {
    const gradual = { kind: 'gradual', share: 0.4 } as const;
    expect(at(gradual, 0)).toEqual([0, 0, 0, 0, 1]);
    expect(at(gradual, 9)).toEqual([0, 0, 0, 0, 1]);
    // The next ones join at 10, 20, 30 and 40 of 100 steps.
    expect(at(gradual, 10)).toBeAllClose([0, 0, 0, 0.625, 0.375], 1e-12);
    expect(at(gradual, 20)).toBeAllClose([0, 0, 0.3 / 0.7, 0.25 / 0.7, 0.15 / 0.7], 1e-12);
    expect(at(gradual, 39)[0]).toBe(0);
    for (const step of [40, 99]) expect(at(gradual, step)).toBeAllClose(weights, 1e-12);
  });

  it('that is gradual does not wait for heads that never count, and has one head at once', () => {
    const gradual = { kind: 'gradual', share: 1 } as const;
    expect(at(gradual, 0, [0.5, 0.5, 0])).toEqual([0, 1, 0]);
    expect(at(gradual, 99, [0.5, 0.5, 0])).toEqual([0, 1, 0]);
    expect(importanceAt(gradual, [0.5, 0.5, 0], 100, 100)).toEqual([0.5, 0.5, 0]);
    expect(at(gradual, 0, [1])).toEqual([1]);
  });
});
