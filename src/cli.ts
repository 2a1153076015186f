#!/usr/bin/env node
// The command `exithead`: puts the table of verbs and the world together.
import { readFileSync } from 'node:fs';
import { interruptSignal } from './commands/interrupt.js';
import { main } from './commands/main.js';
import { verbs } from './commands/verbs.js';

const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as {
  readonly version: string;
};
const { stdout, stderr, env } = process;
process.exitCode = await main(process.argv.slice(2), verbs, {
  stdout,
  stderr,
  env,
  version,
  signal: interruptSignal(),
});
