import { describe, expect, it } from '@jest/globals';
import { respace } from '../../src/diffusion/respace.js';
import { cachings, eachOnce, fewerSteps, fixedExits, fullDepth } from '../../src/evaluate/ways.js';

const timesteps = respace(1000, '10');
/** Twelve blocks of 10 multiply-adds each; the last exit needs no head, which costs 2. */
const costs = Array.from({ length: 12 }, (_, i) => ({ exit: i + 1, macs: 10 * (i + 1) + (i < 11 ? 2 : 0) }));

const ten = Array.from({ length: 10 }, (_, i) => 10 - i);
const numbers = ten.map((passes) => ({ timesteps: respace(1000, String(passes)), passes }));

describe('fewer steps', () => {
  it('count the passes that a solver takes, and lie where it has them', () => {
    // So many steps and nine more: 0.5 of 19 are nearest 10, at one step.
    const dear = numbers.map(({ timesteps, passes }) => ({ timesteps, passes: passes + 9 }));
    expect(fewerSteps(12, 0.5, dear).name).toBe('1 steps');
    expect(fewerSteps(12, 0.8, dear).name).toBe('6 steps');
    const late = ten.map((passes) => ({ passes, timesteps: ten.slice(0, passes).map((t) => 80 + t) }));
    expect(fewerSteps(12, 0.2, late).timesteps).toEqual([90, 89]);
  });

  it.each([
    [0.75, 8],
    [0.65, 7],
    [0.5, 5],
    [0.04, 1],
  ])('at a depth used of %d of 10 steps are %d', (depthUsed, count) => {
    const course = fewerSteps(12, depthUsed, numbers);
    expect(course.timesteps).toEqual(respace(1000, String(count)));
    expect(course.exits).toEqual(Array.from({ length: count }, () => 12));
    expect(course.name).toBe(`${count} steps`);
  });
});

describe('fixed exits', () => {
  const exitsAt = (depthUsed: number, most: number): (number | undefined)[] =>
    fixedExits(timesteps, costs, depthUsed, most).map(({ exits }) => exits[0]);

  it('are the deepest within the depth and the next above it', () => {
    // 72 / 120 = 0.6, 82 / 120 = 0.683.
    expect(exitsAt(0.65, 1)).toEqual([7, 8]);
    expect(exitsAt(0.65, 3)).toEqual([5, 6, 7, 8]);
  });
  it('take a depth that one of them uses exactly as within', () => {
    expect(exitsAt(72 / 120, 1)).toEqual([7, 8]);
  });
  it('are never the whole backbone, and the shallowest where the depth is out of reach', () => {
    expect(exitsAt(1, 1)).toEqual([11]);
    expect(exitsAt(0.05, 2)).toEqual([1]);
  });
  it('run at all times', () => {
    for (const { exits } of fixedExits(timesteps, costs, 0.65, 2))
      expect(exits).toEqual(timesteps.map(() => exits[0]));
  });
});

describe('caching', () => {
  const used = (exits: readonly number[]): number =>
    exits.reduce((sum, exit) => sum + (costs[exit - 1]?.macs ?? NaN), 0) / (120 * exits.length);

  it('runs every n-th step in full, beginning with the first', () => {
    for (const { name, exits } of cachings(timesteps, costs, 0.5, 9)) {
      const [, n, exit] = /^every (\d)\w\w full, else exit (\d+)$/.exec(name) ?? [];
      expect(exits).toEqual(timesteps.map((_, i) => (i % Number(n) === 0 ? 12 : Number(exit))));
    }
  });
  it('takes the pairs that come nearest to the depth, of each n one', () => {
    // Every 2nd of 10: half of the steps in full, exit k in the others: 0.65 asks for 0.3 of 120 = 36, nearest 32 (k = 3).
    const names = cachings(timesteps, costs, 0.65, 2).map(({ name }) => name);
    const all = cachings(timesteps, costs, 0.65, 9);
    const off = all.map(({ exits }) => Math.abs(used(exits) - 0.65));
    expect(all.map(({ name }) => name)).toContain('every 2nd full, else exit 3');
    expect(all.length).toBe(4);
    expect(off).toEqual(off.toSorted((a, b) => a - b));
    expect(names).toEqual(all.slice(0, 2).map(({ name }) => name));
  });
  it('finds for each n the nearest exit of all', () => {
    for (const { name, exits } of cachings(timesteps, costs, 0.5, 9)) {
      const every = Number(/\d/.exec(name)?.[0]);
      const others = costs
        .slice(0, -1)
        .map(({ exit }) => Math.abs(used(timesteps.map((_, i) => (i % every === 0 ? 12 : exit))) - 0.5));
      expect(Math.abs(used(exits) - 0.5)).toBeCloseTo(Math.min(...others), 12);
    }
  });
});

it('a name is kept once, the first of it, in order', () => {
  const [a, b] = [fullDepth([1, 0], 3), fewerSteps(12, 0.5, numbers)];
  expect(eachOnce([b, a, { ...b, exits: [] }])).toEqual([b, a]);
});
