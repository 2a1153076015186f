// How is a schedule told to the code of ASE? A list of ten block counts, one for each tenth of the diffusion.
import { z } from 'zod';
import { messageOf, UserError } from '../errors.js';
import { writeFileAtomic } from '../files/write.js';
import { remembering } from './errorTable.js';
import { readText, shown } from '../files/jsonFile.js';
import type { SolveOptions } from './options.js';
import { predict } from './predict.js';
import { depthOf, exitAt, type Schedule } from './schedule.js';

const tenths = 10;
const remedy =
  'Give a list of ten whole numbers, such as [28, 28, 24, 24, 20, 20, 16, 16, 12, 12]: blocks to run, from data to noise.';

/**
 * Block counts by tenth of the diffusion, from data to noise, as `exit_nums` of DiT/drop_scheduler.py in
 * github.com/taehong-moon/ee-diffusion.
 * @throws UserError naming every entry that is none
 */
export async function readBlockCounts(path: string): Promise<readonly number[]> {
  const text = await readText(path, { noun: 'a list of ten block counts', remedy });
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    throw new UserError(`${path} is not JSON (${messageOf(error)}). ${remedy}`);
  }
  const list = z.array(z.unknown()).safeParse(json);
  if (!list.success) throw new UserError(`${path} is ${shown(json)}, expected a list. ${remedy}`);
  const problems = [
    ...(list.data.length === tenths ? [] : [`  has ${list.data.length} entries, expected ${tenths}`]),
    ...list.data
      .slice(0, tenths)
      .flatMap((count, i) =>
        z.int().min(1).safeParse(count).success
          ? []
          : [`  ${i}: is ${shown(count)}, expected a whole number from 1`],
      ),
  ];
  if (problems.length > 0)
    throw new UserError(
      `${path} is a list of block counts with mistakes:\n${problems.join('\n')}\n${remedy}`,
    );
  return z.array(z.number()).parse(list.data);
}

/** As one line of JSON. */
export function writeBlockCounts(path: string, counts: readonly number[]): Promise<void> {
  return writeFileAtomic(path, `[${counts.join(', ')}]\n`);
}

/**
 * The schedule of a list, at the solver's steps.
 * @param path of the list, for messages
 * @throws UserError naming the counts that no head or the whole backbone has, or that remember
 */
export function scheduleOfCounts(options: SolveOptions, counts: readonly number[], path: string): Schedule {
  const { table, timesteps } = options;
  const possible = table.exits.map(({ exit }) => exit);
  const wrong = counts.flatMap((count, i) => (possible.includes(count) ? [] : [`  ${i}: is ${count}`]));
  if (wrong.length > 0)
    throw new UserError(
      `${path} has block counts without a head; the exits are ${possible.join(', ')}:\n${wrong.join('\n')}\n` +
        'Change them, or train heads there.',
    );
  requireForgetful(table.exits, path);
  const exits = timesteps.map((t) => counts[Math.floor((t * tenths) / table.steps)] ?? NaN);
  const speedup = 1 / depthOf(table.exits, exits);
  return predict(options, exits, { speedup, monotone: false, rule: 'given' });
}

/**
 * The list that comes nearest to a schedule: in every tenth the deepest exit of its steps there, so that nothing is
 * left earlier than the schedule does; where it takes no step, the exit of the nearest.
 * @returns the list, and how many steps would run deeper by it than by the schedule
 * @throws UserError if the schedule remembers, or halves of guidance have exits of their own: lists know neither
 */
export function countsOfSchedule(
  schedule: Schedule,
  path: string,
): { readonly counts: number[]; readonly deeper: number } {
  const { timesteps, exits, steps, unconditional, available } = schedule;
  requireForgetful(available, path);
  if (unconditional)
    throw new UserError(
      `${path} cannot be written: a list of block counts runs both halves of guidance alike. Set schedule.halves=together.`,
    );
  const tenthOf = (t: number): number => Math.floor((t * tenths) / steps);
  const counts = Array.from({ length: tenths }, (_, tenth) => {
    const inside = exits.filter((_, i) => tenthOf(timesteps[i] ?? NaN) === tenth);
    return inside.length > 0 ? Math.max(...inside) : exitAt(schedule, ((tenth + 0.5) * steps) / tenths);
  });
  const deeper = exits.filter((exit, i) => exit !== counts[tenthOf(timesteps[i] ?? NaN)]).length;
  return { counts, deeper };
}

function requireForgetful(exits: Schedule['available'], path: string): void {
  if (remembering(exits).length === 0) return;
  throw new UserError(
    `${path}: lists of block counts know no steps that refresh what heads remember. Train heads of another kind, such as adapter.`,
  );
}
