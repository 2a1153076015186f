#!/usr/bin/env node
// The command `exithead`: puts the table of verbs and the world together.
import { main } from './commands/main.js';
import { verbs } from './commands/verbs.js';
import { processWorld } from './commands/world.js';

process.exitCode = await main(process.argv.slice(2), verbs, processWorld());
