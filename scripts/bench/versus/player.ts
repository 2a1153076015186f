// How is a side told what to do? A process of its own that lives as long as it is needed, asked line by line.
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { Answers, Request } from './job.js';

/** A program and its arguments. */
export interface Program {
  readonly command: string;
  readonly args: readonly string[];
}

export interface Player {
  /** @throws Error with what the other process says is wrong */
  ask<K extends Request['do']>(request: Extract<Request, { do: K }>): Promise<Answers[K]>;
  /** Ends the process. */
  close(): Promise<void>;
}

/** @param threads what libraries that read the environment are given, too */
export function play({ command, args }: Program, threads: number): Player {
  const child = spawn(command, args, {
    stdio: ['pipe', 'pipe', 'pipe'],
    env: {
      ...process.env,
      OMP_NUM_THREADS: String(threads),
      MKL_NUM_THREADS: String(threads),
      PYTHONDONTWRITEBYTECODE: '1',
    },
  });
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()));
  let complaints = '';
  child.stderr.on('data', (text: Buffer) => (complaints = (complaints + text.toString()).slice(-4000)));
  child.stdin.on('error', () => undefined);
  const failed = new Promise<never>((_, reject) => child.once('error', reject));
  failed.catch(() => undefined);
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  return {
    async ask<K extends Request['do']>(request: Extract<Request, { do: K }>) {
      child.stdin.write(`${JSON.stringify(request)}\n`);
      const line = await Promise.race([lines.next(), failed]);
      if (line.done) throw new Error(`${command} ended: ${complaints.trim() || 'without a word'}`);
      const answer = JSON.parse(line.value) as Answers[K] | { readonly error: string };
      if ('error' in answer) throw new Error(answer.error);
      return answer;
    },
    async close() {
      child.stdin.end();
      await ended;
    },
  };
}
