// What does long work get from the command that starts it? An engine, and a terminal to report to.
import { pickEngine, type EngineOptions } from '../engine/pick.js';
import type { Work } from '../training/fit.js';
import type { Terminal } from './terminal.js';
import type { Call } from './verb.js';

/** @param label of the progress bar */
export async function workOf(
  { engine }: { readonly engine: EngineOptions },
  { signal }: Pick<Call, 'signal'>,
  terminal: Terminal,
  label: string,
): Promise<Work> {
  return {
    engine: await pickEngine(engine),
    signal,
    progress: terminal.progress(label),
    say: (line) => terminal.line(line),
    warn: (line) => terminal.warn(line),
  };
}
