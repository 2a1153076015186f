import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { stream } from '../../src/random.js';
import type { Move } from '../../src/schedules/layered.js';
import { solvePaths } from '../../src/schedules/paths.js';

/** Choose one of the same K choices at each of n steps. */
interface ChoiceProblem {
  readonly cost: readonly number[];
  /** [n][K] */
  readonly loss: readonly (readonly number[])[];
  readonly budget: number;
  /** Whether the choice's index may never fall from one step to the next. */
  readonly monotone: boolean;
}

function solveKnapsack({ cost, loss, budget, monotone }: ChoiceProblem): readonly number[] | undefined {
  // Monotone, state k may take choice k, or be left for k + 1.
  const moves = monotone
    ? cost.map((_, k): Move[] =>
        k + 1 < cost.length
          ? [
              { column: k, to: k },
              { column: undefined, to: k + 1 },
            ]
          : [{ column: k, to: k }],
      )
    : [cost.map((_, k): Move => ({ column: k, to: 0 }))];
  return solvePaths({ moves, spend: loss.map(() => cost), lose: loss, budget })?.columns;
}

const costOf = ({ cost }: ChoiceProblem, path: readonly number[]): number =>
  path.reduce((sum, k) => sum + (cost[k] ?? NaN), 0);
const lossOf = ({ loss }: ChoiceProblem, path: readonly number[]): number =>
  path.reduce((sum, k, i) => sum + (loss[i]?.[k] ?? NaN), 0);

/** Every path within the budget. */
function* allPaths({ cost, loss, budget, monotone }: ChoiceProblem): Generator<number[]> {
  const total = cost.length ** loss.length;
  for (let code = 0; code < total; code++) {
    const path = loss.map((_, i) => Math.floor(code / cost.length ** i) % cost.length);
    const isInOrder = path.every((k, i) => k >= (path[i - 1] ?? 0));
    const spent = path.reduce((sum, k) => sum + (cost[k] ?? NaN), 0);
    if (spent <= budget && (isInOrder || !monotone)) yield path;
  }
}

/** The order that the solver promises: loss, cost, then the lower choice at the first difference. */
function compare(problem: ChoiceProblem, a: readonly number[], b: readonly number[]): number {
  const first = a.findIndex((k, i) => k !== b[i]);
  return (
    lossOf(problem, a) - lossOf(problem, b) ||
    costOf(problem, a) - costOf(problem, b) ||
    (a[first] ?? 0) - (b[first] ?? 0)
  );
}

function bruteForce(problem: ChoiceProblem): number[] | undefined {
  return [...allPaths(problem)].sort((a, b) => compare(problem, a, b))[0];
}

/** Small problems; whole losses make ties likely and sums exact. */
const problems = fc
  .record({ choices: fc.integer({ min: 1, max: 4 }), steps: fc.integer({ min: 1, max: 5 }) })
  .chain(({ choices, steps }) =>
    fc.record({
      cost: fc.array(fc.integer({ min: 1, max: 12 }), { minLength: choices, maxLength: choices }),
      loss: fc.array(fc.array(fc.integer({ min: 0, max: 9 }), { minLength: choices, maxLength: choices }), {
        minLength: steps,
        maxLength: steps,
      }),
      budget: fc.integer({ min: 0, max: 12 * steps }),
      monotone: fc.boolean(),
    }),
  );

/** A problem of the size and numbers of a real one: depth-like costs, errors that fall with depth, bins of steps. */
function realistic(steps: number, bins: number, choices: number, monotone: boolean): ChoiceProblem {
  const random = stream(7, 'realistic', bins);
  const heads = [9_437_184, 301_989_888, 4_193_280_000];
  const cost = Array.from({ length: choices }, (_, k) => 4_193_280_000 * (k + 1) + (heads[k % 3] ?? 0));
  const byBin = Array.from({ length: bins }, (_, bin) => {
    const [scale, rate] = [Math.exp((4 * bin) / bins - 4), 0.15 + 0.25 * random.uniform()];
    return cost.map((_, k) => (k === choices - 1 ? 0 : scale * Math.exp(-rate * k) * (1 + random.uniform())));
  });
  const loss = Array.from({ length: steps }, (_, i) => byBin[Math.floor((i * bins) / steps)] ?? []);
  return { cost, loss, budget: Math.floor((steps * (cost.at(-1) ?? NaN)) / 1.5), monotone };
}

describe('the best path', () => {
  it('finds what trying every path finds, ties included', () => {
    fc.assert(
      fc.property(problems, (problem) => {
        expect(solveKnapsack(problem)).toEqual(bruteForce(problem));
      }),
      { numRuns: 800, seed: 1 },
    );
  });
  it('finds the least loss where losses are not whole', () => {
    const fractional = problems.map((problem) => ({
      ...problem,
      loss: problem.loss.map((losses, i) => losses.map((loss, k) => loss / 7 + Math.sin(5 * i + k) ** 2)),
    }));
    fc.assert(
      fc.property(fractional, (problem) => {
        const [found, best] = [solveKnapsack(problem), bruteForce(problem)];
        expect(found === undefined).toBe(best === undefined);
        if (found && best) expect(lossOf(problem, found)).toBeCloseTo(lossOf(problem, best), 12);
      }),
      { numRuns: 300, seed: 2 },
    );
  });
  it('never spends more than the budget, and loses no more when it grows', () => {
    fc.assert(
      fc.property(problems, fc.integer({ min: 0, max: 20 }), (problem, more) => {
        const found = solveKnapsack(problem);
        if (!found) return;
        expect(costOf(problem, found)).toBeLessThanOrEqual(problem.budget);
        const richer = solveKnapsack({ ...problem, budget: problem.budget + more });
        expect(lossOf(problem, richer ?? [])).toBeLessThanOrEqual(lossOf(problem, found));
      }),
      { numRuns: 200, seed: 3 },
    );
  });
  it('does not change when a choice is added that is dearer and worse', () => {
    fc.assert(
      fc.property(problems, (problem) => {
        const cost = [...problem.cost, Math.max(...problem.cost) + 1];
        const loss = problem.loss.map((losses) => [...losses, Math.max(...losses) + 1]);
        expect(solveKnapsack({ ...problem, cost, loss })).toEqual(solveKnapsack(problem));
      }),
      { numRuns: 200, seed: 4 },
    );
  });
  it('takes the cheapest of equals', () => {
    const equal = {
      cost: [5, 3, 4],
      loss: [
        [1, 1, 1],
        [2, 2, 2],
      ],
      budget: 100,
      monotone: false,
    };
    expect(solveKnapsack(equal)).toEqual([1, 1]);
  });
  it('says that nothing fits', () => {
    expect(solveKnapsack({ cost: [2, 3], loss: [[1, 0]], budget: 1, monotone: false })).toBeUndefined();
  });
  it.each([false, true])(
    'solves 1000 steps and 28 choices (monotone %s)',
    (monotone) => {
      const problem = realistic(1000, 20, 28, monotone);
      const path = solveKnapsack(problem) ?? [];
      expect(path).toHaveLength(1000);
      expect(costOf(problem, path)).toBeLessThanOrEqual(problem.budget);
      if (monotone) expect(path).toEqual(path.toSorted((a, b) => a - b));
    },
    30_000,
  );
  it('equals a search over all costs on problems too large to try every path', () => {
    const random = stream(3, 'table');
    const cost = [3, 5, 8, 11];
    const loss = Array.from({ length: 30 }, () => cost.map((c) => (12 - c) * random.uniform()));
    const problem = { cost, loss, budget: 200, monotone: false };
    let least = new Float64Array(201).fill(0);
    for (const losses of loss)
      least = least.map((_, left) =>
        Math.min(
          ...cost.map((c, k) => (left < c ? Infinity : (least[left - c] ?? NaN) + (losses[k] ?? NaN))),
        ),
      );
    expect(lossOf(problem, solveKnapsack(problem) ?? [])).toBeCloseTo(least[200] ?? NaN, 10);
  });
});
