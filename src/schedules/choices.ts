// What may be chosen at each step of a solver, and what does a choice lead to? The layered graph of all schedules.
import { strideOf } from '../diffusion/ages.js';
import { remembering, type ErrorTable, type MeasuredExit } from './errorTable.js';
import { lossOf, type Choice } from './excess.js';
import type { Move, PathProblem } from './layered.js';
import { requireMeasured, weightsOf, type SolveOptions } from './options.js';

/** A choice, and how many steps old what it remembers is; 0 where it remembers nothing. */
export interface Column {
  readonly choice: Choice;
  readonly age: number;
}

/** All schedules that the options allow, but for how many exits they are made of and what they cost. */
export interface Choices extends Pick<PathProblem, 'moves' | 'ends' | 'lose'> {
  readonly columns: readonly Column[];
}

/**
 * States tell apart what decides what may follow and what it loses: how old the memory is; with `monotone` the exit that
 * ran last; with `minRun` which exit runs for how many steps more. Where heads remember, a full-depth step refreshes what
 * they remember; it neither begins, ends nor counts in a run, and `monotone` is about the steps between.
 */
export function choicesOf(options: SolveOptions): Choices {
  const { table, timesteps } = options;
  const full = table.exits.length - 1;
  const isMemory = remembering(table.exits).length > 0;
  const oldest = isMemory ? oldestAge(options) : 0;
  const allowed = (k: number): boolean =>
    k === full || !options.exits || options.exits.includes(table.exits[k]?.exit ?? NaN);
  const between = pairsOf(options, allowed, isMemory);
  const runs = runsOf(between, Math.min(options.minRun ?? 1, timesteps.length), options.monotone ?? false);
  const columns: Column[] = [];
  const columnOf = new Map<string, number>();
  const column = (choice: Choice, age: number): number => {
    const key = `${choice.exit} ${choice.unconditional} ${age}`;
    const known = columnOf.get(key);
    if (known !== undefined) return known;
    columnOf.set(key, columns.length);
    return columns.push({ choice, age }) - 1;
  };
  const refresh: Choice = options.halves ? { exit: full, unconditional: full } : { exit: full };
  const at = (age: number, run: number): number => age * runs.moves.length + run;
  const moves: Move[][] = [];
  for (let age = 0; age <= oldest; age++)
    runs.moves.forEach((own, run) => {
      // The memory of the next step; too old is none.
      const older = age > 0 && age < oldest ? age + 1 : 0;
      moves[at(age, run)] = own.flatMap(({ choice, to }): Move[] => {
        if (choice === undefined) return [{ column: undefined, to: at(age, to) }];
        const asks = isMemory && takesMemory(table, choice);
        if (asks && age === 0) return [];
        return [{ column: column(choice, asks ? age : 0), to: at(older, to) }];
      });
      if (isMemory)
        moves[at(age, run)]?.push({ column: column(refresh, 0), to: at(Math.min(1, oldest), run) });
    });
  return {
    moves,
    ends: new Set(
      Array.from({ length: oldest + 1 }, (_, age) => runs.ends.map((run) => at(age, run))).flat(),
    ),
    columns,
    lose: losses(options, columns),
  };
}

/** Whether it is one of full depth, which refreshes all that remember. */
export function isFull({ choice }: Column, exits: readonly MeasuredExit[]): boolean {
  const full = exits.length - 1;
  return choice.exit === full && (choice.unconditional ?? full) === full;
}

/** All choices, the shallower first; where heads remember, but for full depth. */
function pairsOf(
  { table, halves }: SolveOptions,
  allowed: (k: number) => boolean,
  isMemory: boolean,
): readonly Choice[] {
  const all = table.exits.map((_, k) => k).filter(allowed);
  const own = isMemory ? all.filter((k) => k < table.exits.length - 1) : all;
  if (!halves) return own.map((exit) => ({ exit }));
  return own.flatMap((exit) => own.map((unconditional) => ({ exit, unconditional })));
}

function takesMemory({ exits }: ErrorTable, { exit, unconditional = exit }: Choice): boolean {
  return remembering([exits[exit], exits[unconditional]].filter((one) => one !== undefined)).length > 0;
}

/** Steps that the oldest memory that was measured goes back, at any step: 0 or more. */
function oldestAge({ table, timesteps }: SolveOptions): number {
  const most = oldestNative(table);
  const reach = timesteps.map((t, i) => timesteps.slice(0, i).filter((before) => before - t <= most).length);
  return Math.max(0, ...reach);
}

/** Native t that a memory may be old; steps of samplers lie at whole t, so each may be off by a half. */
export function oldestNative({ ages, steps }: ErrorTable): number {
  return ages ? (ages.every - 1) * strideOf(ages, steps) + 1 : 0;
}

interface Runs {
  readonly moves: readonly (readonly { readonly choice: Choice | undefined; readonly to: number }[])[];
  readonly ends: readonly number[];
}

/** The states of the options monotone and minRun. */
function runsOf(choices: readonly Choice[], minRun: number, monotone: boolean): Runs {
  const names: string[] = [];
  const arrows: { readonly from: string; readonly choice: Choice | undefined; readonly to: string }[] = [];
  const named = ({ exit, unconditional = 0 }: Choice): string => `${exit} ${unconditional}`;
  const open = (choice: Choice): string => (monotone ? `from ${named(choice)}` : 'from anything');
  const held = (choice: Choice, steps: number): string => `${named(choice)} for ${steps}`;
  // After the shortest run of a choice it may go on, or another begin.
  const begun = (choice: Choice): string => (minRun === 1 ? open(choice) : held(choice, minRun - 1));
  const [first] = choices;
  if (minRun > 1) {
    names.push('nothing');
    if (first) arrows.push({ from: 'nothing', choice: undefined, to: open(first) });
    for (const choice of choices) {
      for (let left = minRun - 1; left >= 0; left--) {
        names.push(held(choice, left));
        arrows.push({ from: held(choice, left), choice, to: held(choice, Math.max(0, left - 1)) });
      }
      arrows.push({ from: held(choice, 0), choice: undefined, to: open(choice) });
    }
  }
  for (const choice of choices) {
    if (!names.includes(open(choice))) names.push(open(choice));
    arrows.push({ from: open(choice), choice, to: begun(choice) });
    // Each half may become deeper by itself.
    for (const deeper of monotone ? nextOf(choice, choices) : [])
      arrows.push({ from: open(choice), choice: undefined, to: open(deeper) });
  }
  if (names.length === 0) names.push('nothing');
  const place = new Map(names.map((name, i) => [name, i]));
  return {
    moves: names.map((name) =>
      arrows
        .filter(({ from }) => from === name)
        .map(({ choice, to }) => ({ choice, to: place.get(to) ?? NaN })),
    ),
    ends: names.flatMap((name, i) => (minRun === 1 || name === 'nothing' || / for 0$/.test(name) ? [i] : [])),
  };
}

/** The choices that are one exit deeper, in either half. */
function nextOf(choice: Choice, choices: readonly Choice[]): readonly Choice[] {
  const deeper = (k: number, of: (one: Choice) => number): number =>
    Math.min(...choices.map(of).filter((other) => other > k));
  const exit = deeper(choice.exit, (one) => one.exit);
  const { unconditional } = choice;
  if (unconditional === undefined) return Number.isFinite(exit) ? [{ exit }] : [];
  const other = deeper(unconditional, (one) => one.unconditional ?? NaN);
  return [
    { exit: choice.exit, unconditional: other },
    { exit, unconditional },
  ].filter((one) => Number.isFinite(one.exit) && Number.isFinite(one.unconditional));
}

/** Weighted excess of every column at every step, [n][columns]; Infinity where a memory would be too old. */
function losses(options: SolveOptions, columns: readonly Column[]): Float64Array[] {
  const { table, timesteps } = options;
  const [bins, weights, most] = [requireMeasured(options), weightsOf(options), oldestNative(table)];
  const known = new Map<string, Float64Array>();
  return timesteps.map((t, i) => {
    const [bin = NaN, weight = NaN] = [bins[i], weights[i]];
    const key = `${bin} ${weight}`;
    const isAged = columns.some(({ age }) => age > 0);
    const same = isAged ? undefined : known.get(key);
    const row =
      same ??
      Float64Array.from(columns, ({ choice, age }) => {
        const old = age > 0 ? (timesteps[i - age] ?? Infinity) - t : undefined;
        return old !== undefined && old > most ? Infinity : weight * lossOf(options, choice, bin, old).mean;
      });
    known.set(key, row);
    return row;
  });
}
