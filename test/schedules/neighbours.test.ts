import { expect, test } from '@jest/globals';
import { neighboursOf, type Neighbourhood } from '../../src/schedules/neighbours.js';

const sum = (exits: readonly number[]): number => exits.reduce((a, b) => a + b, 0);

/** Every schedule of so many steps, by brute force. */
function every(exits: readonly number[], steps: number): number[][] {
  return steps === 0 ? [[]] : every(exits, steps - 1).flatMap((head) => exits.map((exit) => [...head, exit]));
}

const free: Neighbourhood = { exits: [1, 3, 4], allows: () => true, loss: () => 0 };

test('the neighbours are those that one exchange, or one step deeper and one shallower, makes', () => {
  const found = neighboursOf([3, 4, 1], free);
  const sorted = found.map((exits) => exits.join()).sort();
  expect(sorted).toEqual(
    // exchanges
    ['4,3,1', '1,4,3', '3,1,4']
      // deeper at the first or last step, shallower elsewhere
      .concat(['4,3,1', '1,4,3', '3,3,3'])
      .filter((one, i, all) => all.indexOf(one) === i)
      .sort(),
  );
});

test('no neighbour is the schedule itself, comes twice, or is forbidden', () => {
  for (const from of every(free.exits, 4)) {
    const budget = sum(from);
    const found = neighboursOf(from, { ...free, allows: (exits) => sum(exits) <= budget });
    const names = found.map((exits) => exits.join());
    expect(new Set(names).size).toBe(names.length);
    expect(names).not.toContain(from.join());
    expect(found.filter((exits) => sum(exits) > budget)).toEqual([]);
  }
});

test('the most promising neighbour comes first', () => {
  const weights = [1, 10, 100];
  const loss = (exits: readonly number[]): number =>
    exits.reduce((total, exit, step) => total - (weights[step] ?? NaN) * exit, 0);
  const found = neighboursOf([4, 3, 1], { ...free, loss });
  expect(found[0]).toEqual([1, 3, 4]);
  expect(found.map(loss)).toEqual([...found.map(loss)].sort((a, b) => a - b));
});
