// How does a long measurement go on where it was stopped? What was measured, in the order of measuring, in a file.
import { rm } from 'node:fs/promises';
import { isDeepStrictEqual } from 'node:util';
import { z } from 'zod';
import { Interrupted, UserError } from '../errors.js';
import { isFile } from '../files/disk.js';
import { readJsonFile, writeJsonFile, jsonFormat } from '../files/jsonFile.js';

/** What one step of a measurement found, such as a number for each sample. */
export type Entry = readonly (readonly number[])[];

/** Recalls what was measured before. A measurement must ask in the same order every time. */
export interface Journal {
  /** What was found at this place before, or else what `measure` finds. */
  next(measure: () => Promise<Entry>): Promise<Entry>;
}

/** Recalls nothing. */
export const noJournal: Journal = { next: (measure) => measure() };

export interface JournalOptions {
  /** Where the journal lies while a measurement is not finished. */
  readonly path: string;
  /** All that decides what is found, as JSON can say it. */
  readonly plan: Readonly<Record<string, unknown>>;
  /** Whether to go on from what is there. */
  readonly resume: boolean;
}

/** Seconds between two writings. */
const keptEvery = 60;

const schema = z.object({
  format: z.literal('exithead-journal'),
  version: z.literal(1),
  plan: z.record(z.string(), z.unknown()),
  entries: z.array(z.array(z.array(z.number()))),
});

const format = jsonFormat<z.output<typeof schema>>({
  schema,
  noun: 'the journal of a measurement',
  remedy: 'Leave out --resume to measure anew.',
  // Some numbers for each sample, exit and step: days of measuring; what JavaScript can hold as one text is a little more.
  mostBytes: 500e6,
});

/**
 * Measures with a journal, which is deleted at the end.
 * @param finish writes what was measured
 * @throws UserError if there is nothing to resume, or that is another measurement
 * @throws Interrupted as `measure` does; what was found is kept
 */
export async function journaled<T, R>(
  { path, plan, resume }: JournalOptions,
  measure: (journal: Journal) => Promise<T>,
  finish: (measured: T) => Promise<R>,
): Promise<R> {
  // As it comes back from a file.
  const own: unknown = JSON.parse(JSON.stringify(plan));
  const entries = resume ? await entriesOf(path, own) : [];
  const keep = (): Promise<void> =>
    writeJsonFile(path, format, {
      ...{ format: 'exithead-journal', version: 1, plan: { ...plan } },
      entries: entries.map((entry) => entry.map((values) => [...values])),
    });
  let [at, kept] = [0, performance.now()];
  const journal: Journal = {
    async next(find) {
      const known = entries[at++];
      if (known) return known;
      const found = await find();
      entries.push(found);
      if (performance.now() - kept > 1000 * keptEvery) {
        await keep();
        kept = performance.now();
      }
      return found;
    },
  };
  const measured = await measure(journal).catch(async (error: unknown) => {
    if (!(error instanceof Interrupted)) throw error;
    await keep();
    throw new Interrupted(`${error.message} What was measured is kept, and --resume goes on from it.`);
  });
  const finished = await finish(measured);
  await rm(path, { force: true });
  return finished;
}

async function entriesOf(path: string, plan: unknown): Promise<Entry[]> {
  if (!(await isFile(path)))
    throw new UserError(`there is no ${path} to go on from. Leave out --resume to start anew.`);
  const found = await readJsonFile(path, format);
  if (!isDeepStrictEqual(found.plan, plan))
    throw new UserError(
      `${path} is of another measurement: ${differing(found.plan, plan)}. Measure anew, without --resume, or ask for the same.`,
    );
  return found.entries;
}

/** The first thing in which two plans differ. */
function differing(found: Readonly<Record<string, unknown>>, plan: unknown): string {
  const asked = z.record(z.string(), z.unknown()).parse(plan);
  const name = [...Object.keys(found), ...Object.keys(asked)].find(
    (key) => !isDeepStrictEqual(found[key], asked[key]),
  );
  return `its ${name} is not what is asked for`;
}
