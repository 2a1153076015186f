import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, writeFileSync } from 'node:fs';
import { beforeAll, describe, expect, it } from '@jest/globals';
import { findConsumers } from '../../scripts/interop/consumers.js';
import { ditSpec, specJson } from '../../src/backbones/spec.js';
import { writeOnnxGraphs } from '../../src/bundle/onnx.js';
import { writeSafetensors } from '../../src/checkpoints/safetensors.js';
import { headKinds, headPlan, initialHeads } from '../../src/exits/heads.js';
import { stream } from '../../src/random.js';
import { depthOf, readSchedule, writeSchedule } from '../../src/schedules/schedule.js';
import { livelyWeights, moved } from '../training/tiny.js';
import { told, workshop } from '../workshop.js';

/** Samplers that this machine is said to run, separated by commas; their absence is a failure. */
const promised = (process.env['EXITHEAD_TEST_INTEROP'] ?? '').split(',').filter((name) => name !== '');
const { at, pretrain, heads } = workshop();
const predicting = ['--set', 'diffusion.prediction=v'];
const few = ['train.steps=20', 'train.checkpointEvery=20', 'heads.memory.steps=10'];

interface Told {
  readonly tolerance: number;
  readonly results: readonly { readonly bundle: string; readonly by: string; readonly difference: number | null }[];
} // prettier-ignore

/** A bundle of heads of that kind, with all that a sampler needs. @returns its folder */
async function bundleOf(kind: string, ...set: string[]): Promise<string> {
  const settings = [...few, `heads.kind=${kind}`, ...set].flatMap((one) => ['--set', one]);
  const run = String((await told('train', heads, '--out', at(kind), ...predicting, ...settings))['run']);
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
  await told('pretrain', pretrain, '--out', at('runs'), '--seed', '3', ...predicting);
  cpSync(at('runs/001-tiny-pretrain/backbone'), at('backbone'), { recursive: true });
  const bundles = [await bundleOf('adapter', 'sample.guidanceInterval=[15, 80]'), await bundleOf('memory')];
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

  const [python, torch] = findConsumers();
  const why = python?.missing ?? torch?.missing;
  if (why !== undefined) process.stderr.write(`\nSKIPPED: every kind of head in PyTorch: ${why}\n`);
  (why === undefined ? it : it.skip)('know every kind of head: PyTorch as the ONNX graphs', async () => {
    const folder = await everyKind();
    const [noise, labels] = [at('noise.f32'), at('labels.i32')];
    writeFileSync(noise, stream(1, 'noise').normals(2 * 64));
    writeFileSync(labels, Int32Array.of(0, 2));
    const reference = { folder: at('.'), noise, labels, images: new Float32Array() };
    const [found, expected] = [await torch?.draw(folder, reference), await python?.draw(folder, reference)];
    expect(expected).toHaveLength(2 * 64);
    expect(found).toBeAllClose(expected ?? [], 1e-4);
  });
});

/** The files of a bundle that samplers read, with a head of every kind and a schedule that runs all of them. */
async function everyKind(): Promise<string> {
  const depth = headKinds.length + 1;
  const spec = ditSpec({
    ...{ input_size: 8, patch_size: 4, in_channels: 1, hidden_size: 16, depth, num_heads: 2 },
    ...{ mlp_ratio: 2, num_classes: 4, learn_sigma: true, time_steps: 100 },
  });
  const backbone = livelyWeights(spec);
  const plans = headKinds.map((kind, i) => headPlan(kind, i + 1, { bottleneck: 4, rank: 2 }));
  const heads = moved(initialHeads(spec, plans, backbone, 1), 0.05);
  const exits = [depth, ...plans.map(({ exit }) => exit), depth];
  const schedule = { exits, timesteps: exits.map((_, i) => 99 - 11 * i) };
  const diffusion = {
    prediction: 'flow',
    betas: 'scaled-linear',
    ...{ betaStart: 1e-3, betaEnd: 0.1, steps: 100, guidance: 1.5, clip: true },
    timeAxis: 'discrete',
  } as const;
  const folder = at('every-kind');
  mkdirSync(folder);
  await writeOnnxGraphs(`${folder}/onnx`, {
    ...{ model: { spec, backbone, plans, heads }, diffusion },
    schedule: { ...schedule, backbone: 'a backbone', heads: 'some heads' },
  });
  await writeSafetensors(`${folder}/backbone.safetensors`, backbone);
  await writeSafetensors(`${folder}/heads.safetensors`, heads);
  const bundle = {
    backbone: { spec: specJson(spec), source: 'backbone.safetensors' },
    ...{ diffusion, heads: plans, headsFile: 'heads.safetensors', schedule: 'schedule.json' },
  };
  writeFileSync(`${folder}/bundle.json`, JSON.stringify(bundle));
  writeFileSync(`${folder}/schedule.json`, JSON.stringify(schedule));
  return folder;
}
