import { spawnSync } from 'node:child_process';
import { cpSync } from 'node:fs';
import { beforeAll, describe, expect, it } from '@jest/globals';
import { depthOf, readSchedule, writeSchedule } from '../../src/schedules/schedule.js';
import { told, workshop } from '../workshop.js';

/** Samplers that this machine is said to run, separated by commas; their absence is a failure. */
const promised = (process.env['EXITHEAD_TEST_INTEROP'] ?? '').split(',').filter((name) => name !== '');
const { at, pretrain, heads } = workshop();
const few = ['train.steps=20', 'train.checkpointEvery=20', 'heads.memory.steps=10'];

interface Told {
  readonly tolerance: number;
  readonly results: readonly { readonly bundle: string; readonly by: string; readonly difference: number | null }[];
} // prettier-ignore

/** A bundle of heads of that kind, with all that a sampler needs. @returns its folder */
async function bundleOf(kind: string, ...set: string[]): Promise<string> {
  const settings = [...few, `heads.kind=${kind}`, ...set].flatMap((one) => ['--set', one]);
  const run = String((await told('train', heads, '--out', at(kind), ...settings))['run']);
  await told('profile', run);
  await told('schedule', run, '--speedup', '1.2');
  if (kind === 'adapter') await leavingApart(`${run}/schedule.json`);
  await told('export', run, '--out', at(`${kind}-bundle`), '--onnx', '--with-backbone');
  return at(`${kind}-bundle`);
}

/** Lets the half of guidance that asks for nothing leave at exit 1. */
async function leavingApart(path: string): Promise<void> {
  const schedule = await readSchedule(path);
  const unconditional = schedule.exits.map(() => 1);
  const depthUsed = depthOf(schedule.available, schedule.exits, unconditional);
  const predicted = { ...schedule.predicted, depthUsed, speedup: 1 / depthUsed };
  await writeSchedule(path, { ...schedule, unconditional, predicted });
}

let said: Told;
let skipped = '';

beforeAll(async () => {
  await told('pretrain', pretrain, '--out', at('runs'), '--seed', '3');
  cpSync(at('runs/001-tiny-pretrain/backbone'), at('backbone'), { recursive: true });
  const bundles = [
    await bundleOf('adapter', 'sample.guidanceInterval=[15, 80]', 'diffusion.prediction=epsilon'),
    await bundleOf('memory'),
  ];
  const words = bundles.flatMap((bundle) => ['--bundle', bundle]);
  const main = ['--import', 'tsx', 'scripts/interop/main.ts', ...words, '--samples', '3', '--json'];
  const { status, stdout, stderr } = spawnSync(process.execPath, main, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`npm run interop ended with ${status}: ${stderr}`);
  said = JSON.parse(stdout) as Told;
  skipped = stderr;
}, 240_000);

describe('samplers without exithead', () => {
  it.each(['python', 'torch', 'browser'])(
    'draw what exithead sample draws, with heads that remember and heads that do not: %s',
    (name) => {
      const own = said.results.filter(({ by }) => by === name);
      expect(own.map(({ bundle }) => bundle)).toEqual([at('adapter-bundle'), at('memory-bundle')]);
      if (own.some(({ difference }) => difference === null)) {
        const [why] = skipped.split('\n').filter((line) => line.includes(`SKIPPED ${name}`));
        if (promised.includes(name)) throw new Error(`EXITHEAD_TEST_INTEROP promises ${name}: ${why}`);
        expect(why).toMatch(/SKIPPED \w+, .+: .+/);
        process.stderr.write(`\n${why}\n`);
        return;
      }
      expect(said.tolerance).toBe(1e-4);
      for (const { difference } of own) expect(difference).toBeLessThanOrEqual(1e-4);
    },
  );
});
