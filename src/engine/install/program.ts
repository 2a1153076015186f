// How is another program run? Its output is kept for the message, and it ends when the user presses Ctrl-C.
import { spawn } from 'node:child_process';
import { Interrupted } from '../../errors.js';

export interface Ran {
  /** Undefined where the program does not exist. */
  readonly code: number | undefined;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly signal?: AbortSignal;
}

/** What is kept of the output of a talkative program. */
const mostOutput = 200_000;

/**
 * Runs a program to its end, without a shell.
 * @throws Interrupted if `signal` aborts; the program is gone by then
 */
export function runProgram(
  program: string,
  words: readonly string[],
  { cwd, env, signal }: RunOptions = {},
): Promise<Ran> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, [...words], {
      cwd,
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const heard = { stdout: '', stderr: '' };
    for (const name of ['stdout', 'stderr'] as const)
      child[name].on('data', (chunk: Buffer) => {
        heard[name] = (heard[name] + chunk.toString()).slice(-mostOutput);
      });
    const stop = (): void => void child.kill('SIGTERM');
    signal?.addEventListener('abort', stop, { once: true });
    if (signal?.aborted) stop();
    child.on('error', (error: NodeJS.ErrnoException) => {
      signal?.removeEventListener('abort', stop);
      if (error.code === 'ENOENT' || error.code === 'EACCES') resolve({ code: undefined, ...heard });
      else reject(error);
    });
    child.on('close', (code) => {
      signal?.removeEventListener('abort', stop);
      if (signal?.aborted) reject(new Interrupted(`stopped while ${program} ran`));
      else resolve({ code: code ?? 1, ...heard });
    });
  });
}

/** The last lines of what a program said: where it says what was wrong. */
export function lastWords({ stdout, stderr }: Ran, lines = 12): string {
  const said = stderr.trim() === '' ? stdout : stderr;
  return said
    .trim()
    .split('\n')
    .slice(-lines)
    .map((line) => `  ${line.trimEnd()}`)
    .join('\n');
}
