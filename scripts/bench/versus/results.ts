// What was measured? The file beside docs/performance.md that its tables are made of.
import { z } from 'zod';
import { messageOf, UserError } from '../../../src/errors.js';
import { readFile } from 'node:fs/promises';
import { writeFileAtomic } from '../../../src/files/write.js';

const sideSchema = z.object({
  name: z.string(),
  /** Of one time, median of all rounds. */
  milliseconds: z.number(),
  /** The fastest one. */
  best: z.number(),
  /** Of a short process that does this work alone. */
  peakMegabytes: z.number().nullable(),
  /** What of it the libraries took before there was any work. */
  idleMegabytes: z.number().nullable(),
  /** Largest relative difference of its numbers from those of the first side that does the same. */
  difference: z.number(),
});
export type SideResult = z.output<typeof sideSchema>;

const caseSchema = z.object({
  name: z.string(),
  batch: z.number(),
  /** Multiply-adds of the work, all samples together; null where they are not counted. */
  macs: z.number().nullable(),
  sides: z.array(sideSchema),
  /** How many times as fast one side is as another, median over the rounds. */
  ratios: z.array(z.object({ side: z.string(), than: z.string(), times: z.number() })),
  /** What went otherwise than planned, such as a side that could not run. */
  notes: z.array(z.string()),
});
export type CaseResult = z.output<typeof caseSchema>;

const resultsSchema = z.object({
  format: z.literal('exithead-bench'),
  version: z.literal(1),
  /** Processor, cores and versions. */
  machine: z.string(),
  threads: z.number(),
  rounds: z.number(),
  cases: z.array(caseSchema),
});
export type Results = z.output<typeof resultsSchema>;

/** What earlier runs found, if they ran on the same machine in the same way. */
export async function earlierCases(
  path: string,
  now: Omit<Results, 'cases'>,
): Promise<readonly CaseResult[]> {
  const text = await readFile(path, 'utf8').catch(() => undefined);
  if (text === undefined) return [];
  try {
    const { cases, ...then } = resultsSchema.parse(JSON.parse(text));
    return then.machine === now.machine && then.threads === now.threads ? cases : [];
  } catch (error) {
    throw new UserError(`${path} holds no results of this bench (${messageOf(error)}). Remove it.`);
  }
}

export async function writeResults(path: string, results: Results): Promise<void> {
  await writeFileAtomic(path, `${JSON.stringify(results, null, 1)}\n`);
}
