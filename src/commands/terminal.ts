// What does the user see? Lines and tables on stdout, or one JSON document; warnings, errors and progress on stderr.
import { styleText } from 'node:util';
import type { Progress } from '../training/progress.js';
import { noProgress, progressBar, progressLines } from './progress.js';

/** Where output goes: process.stdout, or anything like it. */
export type Output = NodeJS.WritableStream & { readonly isTTY?: boolean };

export interface TerminalOptions {
  readonly stdout: Output;
  readonly stderr: Output;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** The result as one JSON document on stdout; lines and tables go to stderr. */
  readonly json: boolean;
  /** No lines, no tables, no progress. */
  readonly quiet: boolean;
}

export interface Terminal {
  line(text?: string): void;
  /** Aligned columns. The first row is the header; columns of numbers stand on the right. */
  table(rows: readonly (readonly (string | number)[])[]): void;
  /** The result; printed with --json alone. */
  json(value: unknown): void;
  warn(text: string): void;
  error(text: string): void;
  /** One piece of long work; ends the one before. */
  progress(label: string): Progress;
  /** Ends what progress is still shown. */
  close(): void;
  /** Why output was lost, unless its reader went away. */
  lost(): string | undefined;
}

export function terminal({ stdout, stderr, env, json, quiet }: TerminalOptions): Terminal {
  const [printed, told] = [writer(stdout), writer(stderr)];
  const [out, err] = [printed.write, told.write];
  const info = json ? { stream: stderr, write: err } : { stream: stdout, write: out };
  let shown: Progress | undefined;
  const hasBar = (): boolean => shown !== undefined && stderr.isTTY === true;
  const write = (to: (text: string) => void, text: string): void => {
    // What is written takes the bar's line; the bar draws itself anew below.
    if (hasBar()) err('\r\u001b[2K');
    to(`${text}\n`);
  };
  const style = (format: 'bold' | 'yellow' | 'red', text: string, stream: Output): string =>
    hasColours(stream, env) ? styleText(format, text, { validateStream: false }) : text;
  const say = (text: string): void => {
    if (!quiet) write(info.write, text);
  };
  const close = (): void => {
    const ending = shown;
    shown = undefined;
    ending?.end();
  };
  return {
    line: (text = '') => say(visible(text)),
    table(rows) {
      const [head, ...body] = aligned(rows.map((row) => row.map(cell)));
      if (head !== undefined) [style('bold', head, info.stream), ...body].forEach(say);
    },
    json(value) {
      if (json) write(out, JSON.stringify(value, null, 2));
    },
    warn: (text) => write(err, `${style('yellow', 'warning:', stderr)} ${visible(text)}`),
    error: (text) => write(err, `${style('red', 'error:', stderr)} ${visible(text)}`),
    progress(label) {
      close();
      if (quiet) return noProgress;
      shown = stderr.isTTY ? progressBar(stderr, label) : progressLines((text) => err(`${text}\n`), label);
      const own = shown;
      return { update: (done, total, values) => own.update(done, total, values), end: close };
    },
    lost: () => printed.lost() ?? told.lost(),
    close,
  };
}

/** Names in a hostile file may hold what a terminal would obey: it is spelt out. Lines and tabs stay. */
function visible(text: string): string {
  return text.replaceAll(
    /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]/g,
    (odd) => `\\u${odd.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

/** A cell stays in its line. */
function cell(value: string | number): string | number {
  return typeof value === 'number' ? value : visible(value).replaceAll(/[\n\t]/g, ' ');
}

interface Writer {
  readonly write: (text: string) => void;
  /** Why it stopped, unless its reader went away. */
  readonly lost: () => string | undefined;
}

/**
 * Writes until nobody reads or nothing can be written any more: after `| head`, on a full disk, in a terminal that is gone.
 * What is at work has its own files to save, and goes on.
 */
function writer(stream: Output): Writer {
  let failure: NodeJS.ErrnoException | undefined;
  stream.on('error', (error: NodeJS.ErrnoException) => {
    failure ??= error;
  });
  return {
    write: (text) => {
      if (!failure) stream.write(text);
    },
    lost: () => (failure === undefined || failure.code === 'EPIPE' ? undefined : failure.message),
  };
}

/** See https://no-color.org. */
function hasColours(stream: Output, env: TerminalOptions['env']): boolean {
  return stream.isTTY === true && !env.NO_COLOR && env.TERM !== 'dumb';
}

function aligned(rows: readonly (readonly (string | number)[])[]): string[] {
  const columns = Math.max(0, ...rows.map((row) => row.length));
  const shape = Array.from({ length: columns }, (_, i) => ({
    width: Math.max(...rows.map((row) => String(row[i] ?? '').length)),
    isNumeric: rows.length > 1 && rows.slice(1).every((row) => typeof row[i] === 'number'),
  }));
  return rows.map((row) =>
    shape
      .map(({ width, isNumeric }, i) => {
        const text = String(row[i] ?? '');
        return isNumeric ? text.padStart(width) : text.padEnd(width);
      })
      .join('  ')
      .trimEnd(),
  );
}
