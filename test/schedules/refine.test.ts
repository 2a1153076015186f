import { expect, test } from '@jest/globals';
import { stream } from '../../src/random.js';
import { refine, type Difference, type Refinement, type Round } from '../../src/schedules/refine.js';

const samples = 200;

/** Losses of samples whose mean is `loss`; what the noise adds is mostly common to all schedules, a part is not. */
function drawn(
  loss: (exits: readonly number[]) => number,
  own: number,
): Refinement<readonly number[], number[]>['measure'] {
  return (exits, noise) => {
    const common = stream(noise, 'common', 0).normals(samples);
    const apart = stream(noise, exits.join(), 0).normals(samples);
    return Promise.resolve(Array.from(common, (value, i) => loss(exits) + value + own * (apart[i] ?? NaN)));
  };
}

function difference(a: readonly number[], b: readonly number[]): Difference {
  const less = a.map((value, i) => value - (b[i] ?? NaN));
  const value = less.reduce((x, y) => x + y, 0) / less.length;
  const variance = less.reduce((x, y) => x + (y - value) ** 2, 0) / (less.length - 1);
  return { value, standardError: Math.sqrt(variance / less.length) };
}

/** One step up or down at one place. */
const near = (exits: readonly number[]): number[][] =>
  exits.flatMap((exit, i) => [exits.with(i, exit - 1), exits.with(i, exit + 1)]);

const goal = [2, 5, 3];
const distance = (exits: readonly number[]): number =>
  exits.reduce((sum, exit, i) => sum + Math.abs(exit - (goal[i] ?? NaN)), 0);

const problem: Refinement<readonly number[], number[]> = {
  ...{ start: [3, 3, 3], nameOf: String, neighbours: near, difference, abreast: 10, rounds: 20 },
  measure: drawn(distance, 0.1),
};

test('it walks to the best schedule, though the noise of a single measurement hides every step', async () => {
  // Steps gain 1; the loss of one schedule alone is only known to 1 / sqrt(200) * 1 = 0.07, far apart from rivals' 0.
  const { best, rounds, stopped } = await refine(problem);
  expect(best).toEqual(goal);
  expect(stopped).toBe('noise');
  expect(rounds.map(({ moved }) => moved)).toEqual([true, true, true, false]);
});

test('it stays where all neighbours are alike, however good the luckiest of them looks', async () => {
  let moves = 0;
  for (let seed = 0; seed < 50; seed++) {
    const measure = drawn(() => 0, 1);
    const { rounds } = await refine({
      ...problem,
      measure: (exits, noise) => measure(exits, 1000 * seed + noise),
      rounds: 1,
    });
    moves += rounds[0]?.moved ? 1 : 0;
  }
  // Beyond two standard errors on one side lie 2.3 % of all: of 50, five or more have a chance of about 0.6 %.
  expect(moves).toBeLessThan(5);
});

test('a round says what was seen, what was proved, and that both agree within their errors', async () => {
  const told: Round<readonly number[]>[] = [];
  const { rounds } = await refine({ ...problem, onRound: (round) => told.push(round) });
  expect(told).toEqual(rounds);
  const [first] = rounds;
  expect(first?.from).toEqual([3, 3, 3]);
  expect(first?.seen.value).toBeCloseTo(-1, 1);
  expect(first?.proved?.value).toBeCloseTo(-1, 1);
});

test('it stops after the rounds that it was given, and where nothing is left to try', async () => {
  expect(await refine({ ...problem, rounds: 1 })).toMatchObject({ stopped: 'rounds' });
  expect(await refine({ ...problem, neighbours: () => [] })).toMatchObject({
    stopped: 'none',
    best: [3, 3, 3],
    rounds: [],
  });
});
