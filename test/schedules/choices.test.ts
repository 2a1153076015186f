import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { ErrorTable, MeasuredExit } from '../../src/schedules/errorTable.js';
import type { SolveOptions } from '../../src/schedules/options.js';
import { isAllowed } from '../../src/schedules/allowed.js';
import { predict } from '../../src/schedules/predict.js';
import { secondsUsedOf, type Schedule } from '../../src/schedules/schedule.js';
import { cheapestSchedule, mostSpeedup, solveSchedule } from '../../src/schedules/solve.js';
import { madeTable } from './tables.js';

/** Heads of two kinds at exits 1 and 2, and the backbone at 4. */
const kinds: readonly MeasuredExit['kind'][] = ['linear', 'memory'];

const costs = fc.record({
  macs: fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 2, maxLength: 2 }),
  refreshMacs: fc.array(fc.integer({ min: 0, max: 4 }), { minLength: 2, maxLength: 2 }),
  seconds: fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 3, maxLength: 3 }),
});
const rows = fc.array(fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 4, maxLength: 4 }), {
  minLength: 2,
  maxLength: 2,
});
const problems = fc.record({
  kind: fc.constantFrom(...kinds),
  costs,
  excess: rows,
  /** By age 1 and 2, of the sampler that heads were measured for. */
  byAge: fc.option(fc.tuple(rows, rows), { nil: undefined }),
  other: fc.option(rows, { nil: undefined }),
  steps: fc.integer({ min: 1, max: 4 }),
  monotone: fc.boolean(),
  minRun: fc.integer({ min: 1, max: 3 }),
  maxExits: fc.option(fc.integer({ min: 1, max: 3 }), { nil: undefined }),
  exits: fc.option(fc.subarray([1, 2]), { nil: undefined }),
  guidance: fc.option(fc.constantFrom(0.5, 1.5, 4), { nil: undefined }),
  inSeconds: fc.boolean(),
});
type Made = typeof problems extends fc.Arbitrary<infer T> ? T : never;

function optionsOf(made: Made): SolveOptions {
  const isMemory = made.kind === 'memory';
  const exits: MeasuredExit[] = made.costs.macs.map((macs, i) => ({
    exit: i + 1,
    kind: made.kind,
    macs: macs + 10 * i,
    ...(isMemory && (made.costs.refreshMacs[i] ?? 0) > 0 && { refreshMacs: made.costs.refreshMacs[i] }),
  }));
  const statistics = (table: ErrorTable): Pick<ErrorTable, 'count' | 'error' | 'excess' | 'rise'> => ({
    count: table.count,
    error: table.error,
    excess: table.excess,
    rise: table.rise,
  });
  const all = [...exits, { exit: 4, kind: 'backbone', macs: 30 } as const];
  const of = (excess: readonly (readonly number[])[]): ErrorTable =>
    madeTable([...excess, [0, 0, 0, 0]], all);
  const table: ErrorTable = {
    ...of(made.excess),
    ...(made.other && {
      guidance: 1.5,
      halves: { conditional: of(made.excess).excess, unconditional: of(made.other).excess },
    }),
    ...(isMemory && { ages: { steps: 5, every: 3 } }),
    ...(isMemory &&
      made.byAge && {
        byAge: made.byAge.map((excess, i) => ({ age: i + 1, ...statistics(of(excess)) })),
      }),
  };
  const { monotone, minRun, maxExits, exits: allowed, guidance } = made;
  return {
    table,
    timesteps: [999, 749, 500, 250, 0].slice(0, made.steps),
    weights: [1, 2, 1, 3, 1].slice(0, made.steps),
    ...{ monotone, minRun },
    ...(maxExits !== undefined && { maxExits }),
    ...(allowed && { exits: allowed }),
    ...(guidance !== undefined && { halves: { guidance } }),
    ...(made.inSeconds && {
      measured: { engine: 'made', batch: 1, guided: false, seconds: made.costs.seconds },
    }),
  };
}

const cost = ({ table, measured, halves }: SolveOptions, { exits, unconditional }: Schedule): number => {
  const passes = exits.length * (halves ? 2 : 1);
  if (measured)
    return secondsUsedOf(table.exits, measured, exits, unconditional) * passes * (measured.seconds[2] ?? NaN);
  // By hand, not as the library counts.
  const both = [...exits, ...(unconditional ?? [])];
  const at = (exit: number): MeasuredExit | undefined => table.exits.find((one) => one.exit === exit);
  const refresh = [...new Set(both)].reduce((sum, exit) => sum + (at(exit)?.refreshMacs ?? 0), 0);
  return both.reduce((sum, exit) => sum + (at(exit)?.macs ?? NaN) + (exit === 4 ? refresh : 0), 0);
};

/** Every schedule that the options allow. */
function* allowedBy(options: SolveOptions): Generator<Schedule> {
  const { table, timesteps, halves, monotone = false, minRun = 1, maxExits = 3, exits = [1, 2] } = options;
  const isMemory = table.exits[0]?.kind === 'memory';
  const blocks = [...exits, 4];
  const pairs = blocks.flatMap((k) => (halves ? blocks.map((u) => [k, u] as const) : [[k, k] as const]));
  const n = timesteps.length;
  for (let code = 0; code < pairs.length ** n; code++) {
    const path = timesteps.map(
      (_, i) => pairs[Math.floor(code / pairs.length ** i) % pairs.length] ?? ([4, 4] as const),
    );
    if (new Set(path.flat()).size > maxExits) continue;
    const isFull = ([k, u]: readonly [number, number]): boolean => k === 4 && u === 4;
    if (isMemory) {
      if (path.some((pair) => !isFull(pair) && pair.includes(4))) continue;
      const isRemembered = path.every((pair, i) => {
        const last = path.slice(0, i).findLastIndex(isFull);
        return (
          isFull(pair) || (last >= 0 && (timesteps[last] ?? NaN) - (timesteps[i] ?? NaN) <= 2 * 249.75 + 1)
        );
      });
      if (!isRemembered) continue;
    }
    const between = isMemory ? path.filter((pair) => !isFull(pair)) : path;
    const falls = between.some(
      ([k, u], i) => i > 0 && (k < (between[i - 1]?.[0] ?? 0) || u < (between[i - 1]?.[1] ?? 0)),
    );
    if (monotone && falls) continue;
    const runs = between.reduce<string[][]>((found, pair) => {
      const last = found.at(-1);
      if (last?.[0] === pair.join()) last.push(pair.join());
      else found.push([pair.join()]);
      return found;
    }, []);
    if (runs.some((run) => run.length < Math.min(minRun, n))) continue;
    yield predict(
      options,
      path.map(([k]) => k),
      { speedup: 1, monotone, rule: 'given' },
      halves && path.map(([, u]) => u),
    );
  }
}

describe('whether options allow a schedule', () => {
  it('is told of every schedule as a search through all tells it', () => {
    fc.assert(
      fc.property(problems, (made) => {
        const options = optionsOf(made);
        const shown = ({ exits, unconditional }: Pick<Schedule, 'exits' | 'unconditional'>): string =>
          JSON.stringify([exits, unconditional]);
        const allowed = new Set([...allowedBy(options)].map(shown));
        const [n, blocks] = [options.timesteps.length, [1, 2, 4]];
        const halves = options.halves ? 2 : 1;
        for (let code = 0; code < 3 ** (n * halves); code++) {
          const all = Array.from(
            { length: n * halves },
            (_, i) => blocks[Math.floor(code / 3 ** i) % 3] ?? NaN,
          );
          const [exits, unconditional] = [all.slice(0, n), options.halves && all.slice(n)];
          // The solver takes no half alone to full depth where heads remember.
          const isApart = exits.some((exit, i) => (exit === 4) !== ((unconditional ?? exits)[i] === 4));
          if (made.kind === 'memory' && isApart) continue;
          const schedule = { exits, ...(unconditional && { unconditional }) };
          expect(isAllowed(options, schedule)).toBe(allowed.has(shown(schedule)));
        }
      }),
      { numRuns: 60, seed: 9 },
    );
  });
});

describe('the best schedule that options allow', () => {
  it('is that of a search through all schedules, at a budget', () => {
    fc.assert(
      fc.property(problems, fc.double({ min: 1, max: 6, noNaN: true }), (made, asked) => {
        const options = optionsOf(made);
        const speedup = Math.min(asked, mostSpeedup(options));
        const full = cost(
          options,
          predict(
            options,
            options.timesteps.map(() => 4),
            { speedup: 1, monotone: false, rule: 'given' },
            options.halves && options.timesteps.map(() => 4),
          ),
        );
        const all = [...allowedBy(options)];
        const least = Math.min(
          ...all
            .filter((one) => cost(options, one) <= (full / speedup) * (1 + 1e-9))
            .map(({ predicted }) => predicted.excess),
        );
        const found = solveSchedule(options, speedup);
        expect(found.predicted.excess).toBeCloseTo(least, 9);
        expect(cost(options, found)).toBeLessThanOrEqual((full / speedup) * (1 + 1e-9));
        // It is one of those that are allowed.
        const shown = ({ exits, unconditional }: Schedule): string => JSON.stringify([exits, unconditional]);
        expect(all.map(shown)).toContain(shown(found));
        const cheapest = Math.min(...all.map((one) => cost(options, one)));
        expect(mostSpeedup(options)).toBeCloseTo(Math.floor((full / cheapest) * 1e4) / 1e4, 3);
      }),
      { numRuns: 300, seed: 7 },
    );
  });
  it('is that of a search through all schedules, at an excess', () => {
    fc.assert(
      fc.property(problems, fc.double({ min: 0, max: 300, noNaN: true }), (made, most) => {
        const options = optionsOf(made);
        const least = Math.min(
          ...[...allowedBy(options)]
            .filter(({ predicted }) => predicted.excess <= most * (1 + 1e-9))
            .map((one) => cost(options, one)),
        );
        const found = cheapestSchedule(options, most);
        expect(found.predicted.excess).toBeLessThanOrEqual(most * (1 + 1e-9));
        expect(cost(options, found)).toBeCloseTo(least, 9);
        expect(found.asked.maxExcess).toBe(most);
      }),
      { numRuns: 200, seed: 8 },
    );
  });
});
