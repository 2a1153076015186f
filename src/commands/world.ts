// Which world does a command run in? That of this process.
import { readFileSync } from 'node:fs';
import { interruptSignal } from './interrupt.js';
import type { World } from './main.js';

export function processWorld(): World {
  const { stdout, stderr, env } = process;
  const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
    readonly version: string;
  };
  return { stdout, stderr, env, version, signal: interruptSignal() };
}
