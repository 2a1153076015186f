// How much memory does a large backbone take to inspect, to train heads on and to sample?
// npx tsx scripts/bench/size.ts FOLDER (see make-dit-xl.ts)
import { spawn } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { setTimeout } from 'node:timers/promises';
import { familyOf } from '../../src/backbones/families.js';
import { readSpec } from '../../src/backbones/spec.js';
import { sizeOf } from '../../src/engine/tensors.js';
import type { Times } from './size-work.js';

interface Peaks {
  /** Most of everything at any time, mapped pages of the weights' file among it (VmHWM). */
  whole: number;
  /** Most that lies in no file, seen at short intervals (RssAnon). */
  anonymous: number;
  /** Most memory that was really taken, seen at short intervals: a page mapped twice counts once (Pss). */
  real: number;
}

/** Keeps the peaks so far, in megabytes; there are none on systems without /proc. */
async function look(pid: number, peaks: Peaks): Promise<void> {
  const read = (file: string): Promise<string> => readFile(`/proc/${pid}/${file}`, 'utf8').catch(() => '');
  const text = (await read('status')) + (await read('smaps_rollup'));
  const of = (name: string): number =>
    Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(text)?.[1] ?? 0) / 1024;
  peaks.whole = Math.max(peaks.whole, of('VmHWM'));
  peaks.anonymous = Math.max(peaks.anonymous, of('RssAnon'));
  peaks.real = Math.max(peaks.real, of('Pss'));
}

async function measured(args: readonly string[]): Promise<Peaks & { seconds: number; lastLine: string }> {
  const start = performance.now();
  const child = spawn(process.execPath, ['--import', 'tsx', ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const peaks: Peaks = { whole: 0, anonymous: 0, real: 0 };
  let output = '';
  child.stdout.on('data', (text: Buffer) => (output += text.toString()));
  const code = new Promise<number | null>((resolve) => child.once('close', resolve));
  let live = true;
  void code.then(() => (live = false));
  while (live) {
    if (child.pid !== undefined) await look(child.pid, peaks);
    await setTimeout(20);
  }
  if ((await code) !== 0) throw new Error(`${args.join(' ')} ended with ${await code}`);
  return {
    ...peaks,
    seconds: (performance.now() - start) / 1000,
    lastLine: output.trim().split('\n').at(-1) ?? '',
  };
}

const [path = ''] = process.argv.slice(2);
const spec = readSpec(JSON.parse(await readFile(join(path, 'config.json'), 'utf8')), path);
const parameters = Object.values(familyOf(spec).shapes(spec)).reduce((sum, shape) => sum + sizeOf(shape), 0);
const megabytes = (4 * parameters) / 2 ** 20;
console.log(
  `${spec.size}, ${(parameters / 1e6).toFixed(0)} M parameters, ${megabytes.toFixed(0)} MB in fp32`,
);
const head = ['work', 'VmHWM, MB', 'x fp32', 'Pss, MB', 'x fp32', 'anonymous, MB', 'x fp32', 's in all'];
console.log(`| ${[...head, 's to open', 's to load', 's per step'].join(' | ')} |`);
console.log(`| --- |${' ---: |'.repeat(10)}`);
for (const [name, args] of [
  ['inspect', ['src/cli.ts', 'inspect', path, '--quiet']],
  ['3 head steps, batch 2', ['scripts/bench/size-work.ts', 'train', path]],
  ['2 sampling steps, batch 2', ['scripts/bench/size-work.ts', 'sample', path]],
] as const) {
  const { whole, real, anonymous, seconds, lastLine } = await measured(args);
  const cells = [whole, real, anonymous].flatMap((mb) => [mb.toFixed(0), (mb / megabytes).toFixed(2)]);
  const times = lastLine.startsWith('{') ? (JSON.parse(lastLine) as Times) : undefined;
  const told = [
    ...[seconds, times?.openSeconds, times?.loadSeconds].map((value) => value?.toFixed(1) ?? ''),
    (times?.stepSeconds ?? []).map((value) => value.toFixed(2)).join(', '),
  ];
  console.log(`| ${[name, ...cells, ...told].join(' | ')} |`);
}
