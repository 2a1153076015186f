// How fast is exithead beside PyTorch? npx tsx scripts/bench/against-torch.ts [case...] [--python venv/bin/python]
// Both sides read the same weights and inputs, must find the same numbers, and take turns on the same cores.
import { spawnSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { availableParallelism, cpus, loadavg, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { messageOf, UserError } from '../../src/errors.js';
import { writeFileAtomic } from '../../src/files/write.js';
import { buildSide, sideFolder } from './versus/build.js';
import { casesOf } from './versus/cases.js';
import { compare } from './versus/compare.js';
import { renewed, tables } from './versus/page.js';
import type { Program } from './versus/player.js';
import { prepare } from './versus/prepare.js';
import { earlierCases, writeResults, type CaseResult, type Results } from './versus/results.js';
import { sideNames, sides, type Side, type SideName } from './versus/sides.js';

const help = `npx tsx scripts/bench/against-torch.ts [case...] [options]
  case            such as forward-digits-16, or forward, or none for all
  --rounds N      turns of every side (7)
  --threads N     of every side (all cores)
  --sides A,B     instead of those of the case: ${Object.keys(sides).join(', ')}
  --python PATH   a Python with scripts/bench/torch/requirements.txt (python3)
  --json          print results as JSON
  --write         put the results into docs/performance.json and the tables of docs/performance.md
`;
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    rounds: { type: 'string', default: '7' },
    threads: { type: 'string', default: String(availableParallelism()) },
    sides: { type: 'string' },
    python: { type: 'string', default: 'python3' },
    json: { type: 'boolean', default: false },
    write: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});
const page = 'docs/performance.md';
const dataFile = 'docs/performance.json';

interface Torch {
  readonly version: string | undefined;
  /** Why there is none. */
  readonly missing: string;
}

function findTorch(python: string): Torch {
  const ask = 'import torch, numpy, safetensors; print(torch.__version__)';
  const { status, stdout, stderr, error } = spawnSync(python, ['-c', ask], { encoding: 'utf8' });
  if (status === 0) return { version: stdout.trim(), missing: '' };
  return { version: undefined, missing: error?.message ?? stderr.trim().split('\n').at(-1) ?? '' };
}

function positive(name: string, text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1)
    throw new UserError(`--${name} is ${text}, expected a whole number from 1.`);
  return value;
}

/** What goes to people, which with --json is not stdout. */
function say(line: string): void {
  (values.json ? process.stderr : process.stdout).write(`${line}\n`);
}

async function main(): Promise<void> {
  if (values.help) return say(help);
  const [rounds, threads] = [positive('rounds', values.rounds), positive('threads', values.threads)];
  const chosen = casesOf(positionals);
  const only = values.sides === undefined ? undefined : sideNames(values.sides);
  const torch = findTorch(values.python);
  const versions = `Node.js ${process.versions.node}, PyTorch ${torch.version ?? 'not there'}`;
  const machine = `${cpus().length} cores of ${cpus()[0]?.model.trim()}, ${process.platform}, ${versions}`;
  say(`${machine}; ${threads} threads on each side, ${rounds} rounds`);
  const isWanted = chosen.some((one) => (only ?? one.sides).some((name) => sides[name].by === 'torch'));
  if (torch.version === undefined && isWanted)
    say(
      `No PyTorch (${torch.missing}), so our side runs alone. To compare, install scripts/bench/torch/requirements.txt ` +
        'into a virtual environment and give its Python with --python.',
    );
  // Threads that wait for each other, as PyTorch's do, suffer more from company than ours.
  const [load = 0] = loadavg();
  if (load > 0.5) say(`This machine is busy already (load ${load.toFixed(1)}): these numbers say little.`);
  const namesOf = (names: readonly SideName[]): SideName[] =>
    (only ?? names).filter((name) => sides[name].by === 'exithead' || torch.version !== undefined);

  const folder = await mkdtemp(join(tmpdir(), 'exithead-bench-'));
  const ours = await buildSide();
  const programOf = ({ by }: Side): Program =>
    by === 'exithead'
      ? { command: process.execPath, args: [ours] }
      : { command: values.python, args: [resolve('scripts/bench/torch/side.py')] };
  const about = { format: 'exithead-bench', version: 1, machine, threads, rounds } as const;
  const found: CaseResult[] = [];
  process.once('SIGINT', () => {
    for (const path of [folder, sideFolder(ours)]) rmSync(path, { recursive: true, force: true });
    process.exit(130);
  });
  try {
    const earlier = await earlierCases(dataFile, about);
    for (const one of chosen) {
      say(`\n${one.name}`);
      try {
        const options = { names: namesOf(one.sides), threads, rounds, programOf };
        found.push(await compare(one, await prepare(folder, one), options));
      } catch (error) {
        process.exitCode = 1;
        say(`failed: ${messageOf(error)}`);
      }
      const all = [...earlier.filter(({ name }) => !found.some((result) => result.name === name)), ...found];
      say(tables(all, [one.name]));
      if (values.write) await write({ ...about, cases: all });
    }
  } finally {
    for (const path of [folder, sideFolder(ours)]) await rm(path, { recursive: true });
  }
  if (values.json) process.stdout.write(`${JSON.stringify({ ...about, cases: found })}\n`);
}

async function write(results: Results): Promise<void> {
  await writeFileAtomic(page, renewed(await readFile(page, 'utf8'), results));
  await writeResults(dataFile, results);
}

try {
  await main();
} catch (error) {
  if (!(error instanceof UserError)) throw error;
  process.exitCode = 2;
  process.stderr.write(`error: ${error.message}\n`);
}
