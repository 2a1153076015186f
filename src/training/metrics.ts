// What was measured, step by step? metrics.jsonl is the truth; TensorBoard gets the same numbers.
import { appendFile, readFile } from 'node:fs/promises';
import { writeFileAtomic } from '../files/write.js';
import { isCode, writing } from '../files/disk.js';
import { appendImage, appendScalars, createEventFile, type EventImage } from './events.js';
import type { Run } from './runFolder.js';

/** A line of metrics.jsonl: numbers measured when `step` steps were done, at `time` (seconds since 1970). */
export interface MetricsLine {
  readonly step: number;
  readonly time: number;
  readonly [name: string]: number;
}

export interface Metrics {
  /** Records finite numbers of one step in both places. */
  log(step: number, values: Readonly<Record<string, number>>): Promise<MetricsLine>;
  /** Shows an image in TensorBoard. */
  image(step: number, tag: string, image: EventImage): Promise<void>;
}

/**
 * Goes on with the metrics of a run. Lines beyond `done` steps are dropped: they stem from a session that was ended
 * after its last checkpoint, and the resumed run will write them again.
 * @param done number of steps done before
 */
export async function openMetrics(run: Run, done: number): Promise<Metrics> {
  const lines = await readMetrics(run.metrics);
  const kept = lines.filter(({ step }) => step <= done);
  await writeFileAtomic(run.metrics, kept.map((line) => `${JSON.stringify(line)}\n`).join(''));
  const events = await createEventFile(run.tensorboard, done, now());
  return {
    async log(step, values) {
      const line: MetricsLine = { step, time: now(), ...values };
      await writing(run.metrics, () => appendFile(run.metrics, `${JSON.stringify(line)}\n`));
      await appendScalars(events, step, line.time, values);
      return line;
    },
    image: (step, tag, image) => appendImage(events, step, now(), tag, image),
  };
}

/** Lines of a metrics file, none if it is missing. A line that a crash cut off is passed over. */
export async function readMetrics(path: string): Promise<MetricsLine[]> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if (isCode(error, 'ENOENT')) return [];
    throw error;
  }
  return text.split('\n').flatMap((line) => {
    const value = parsed(line);
    return isLine(value) ? [value] : [];
  });
}

function parsed(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}

function isLine(value: unknown): value is MetricsLine {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
  return 'step' in value && 'time' in value && Object.values(value).every((x) => typeof x === 'number');
}

function now(): number {
  return Date.now() / 1000;
}
