// Which verb runs, and with which exit code does it end?
import { Interrupted, messageOf, UserError } from '../errors.js';
import { hearingDownloads, type DownloadListener } from '../hub/listener.js';
import { findVerb, overviewHelp, parseCall, verbHelp } from './parse.js';
import { terminal, type Output, type Terminal } from './terminal.js';
import type { VerbEntry } from './verb.js';

/** The world that a command runs in. */
export interface World {
  readonly stdout: Output & { readonly columns?: number };
  readonly stderr: Output;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Aborts when the user presses Ctrl-C. */
  readonly signal: AbortSignal;
  /** Of exithead. */
  readonly version: string;
}

/** 0 done, 1 our bug, 2 the user can mend it, 130 interrupted and saved. */
export type ExitCode = 0 | 1 | 2 | 130;

/** Runs one command to its end. Never throws. @param words what the user typed after `exithead` */
export async function main(
  words: readonly string[],
  verbs: readonly VerbEntry[],
  world: World,
): Promise<ExitCode> {
  // Known before the words are read, so that a mistake in them is reported in the right place.
  const shown = terminal({ ...world, json: words.includes('--json'), quiet: words.includes('--quiet') });
  try {
    await run(words, verbs, world, shown);
    const lost = shown.lost();
    if (lost === undefined) return 0;
    shown.error(`all is done, but what it had to say could not be written (${lost}).`);
    return 2;
  } catch (error) {
    shown.close();
    return report(error, words, world, shown);
  } finally {
    shown.close();
  }
}

async function run(
  words: readonly string[],
  verbs: readonly VerbEntry[],
  { stdout, version, signal }: World,
  shown: Terminal,
): Promise<void> {
  const [name, ...rest] = words;
  const width = Math.min(stdout.columns ?? 100, 110);
  const print = (text: string): boolean => stdout.write(`${text}\n`);
  if (name === '--version') return void print(version);
  if (name === undefined || name === '--help' || name === '-h' || (name === 'help' && rest.length === 0))
    return void print(await overviewHelp(verbs, width));
  const isHelp = name === 'help' || rest.includes('--help') || rest.includes('-h');
  const entry = findVerb(verbs, name === 'help' ? (rest[0] ?? '') : name);
  const verb = await entry.load();
  if (isHelp) return void print(await verbHelp(entry, verb, width));
  const call = await parseCall(entry, verb, rest, signal);
  const listener: DownloadListener = {
    signal,
    progress: (label) => shown.progress(label),
    say: (line) => shown.line(line),
    warn: (line) => shown.warn(line),
  };
  shown.json(await hearingDownloads(listener, () => verb.run(call, shown)));
}

/** Failures of the machine that its user can mend. */
const mendable = new Set([
  'ENOSPC',
  'EDQUOT',
  'EACCES',
  'EPERM',
  'EROFS',
  'EMFILE',
  'ENFILE',
  'ENOTDIR',
  'EISDIR',
]);

function report(error: unknown, words: readonly string[], { version }: World, shown: Terminal): ExitCode {
  if (error instanceof UserError) {
    shown.error(error.message);
    return 2;
  }
  if (error instanceof Interrupted) {
    shown.warn(error.message);
    return 130;
  }
  if (mendable.has(codeOf(error))) {
    shown.error(messageOf(error));
    return 2;
  }
  const stack =
    typeof error === 'object' && error !== null && 'stack' in error ? String(error.stack) : messageOf(error);
  shown.error(
    `${stack}\n\nThis is a mistake in exithead, not yours. Please report it with the text above and these two lines:\n` +
      `  exithead ${words.map((word) => (/^[\w./=:,-]+$/.test(word) ? word : JSON.stringify(word))).join(' ')}\n` +
      `  exithead ${version}, Node.js ${process.version}, ${process.platform} ${process.arch}`,
  );
  return 1;
}

function codeOf(error: unknown): string {
  return typeof error === 'object' && error !== null && 'code' in error ? String(error.code) : '';
}
