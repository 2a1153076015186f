// Which steps of an installation are done? Each leaves a marker, so that one that was stopped goes on where it was.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isCode, makeFolder } from '../../files/disk.js';
import { writeFileAtomic } from '../../files/write.js';

export interface Step {
  /** Also the name of its marker. */
  readonly name: string;
  /** What it depends on; done with another key, it is done again. */
  readonly key: string;
}

export async function isDone(folder: string, step: Step): Promise<boolean> {
  try {
    return (await readFile(markerOf(folder, step), 'utf8')).trim() === step.key;
  } catch (error) {
    if (isCode(error, 'ENOENT')) return false;
    throw error;
  }
}

/** Does the work of a step unless it is done already. */
export async function once(folder: string, step: Step, work: () => Promise<void>): Promise<void> {
  if (await isDone(folder, step)) return;
  await work();
  await makeFolder(join(folder, 'steps'));
  await writeFileAtomic(markerOf(folder, step), `${step.key}\n`);
}

function markerOf(folder: string, { name }: Step): string {
  return join(folder, 'steps', name);
}
