import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from '@jest/globals';
import { familyOf } from '../src/backbones/families.js';
import { asInDiffusers, diffusersDitJson, nameInDiffusers } from '../src/backbones/ditDiffusers.js';
import { initialWeights } from '../src/backbones/init.js';
import { ditSpec } from '../src/backbones/spec.js';
import { writeSafetensors } from '../src/checkpoints/safetensors.js';
import { readErrorTable } from '../src/schedules/errorTable.js';
import { moved } from './training/tiny.js';
import { lossesIn, told, workshop } from './workshop.js';

const { at, heads } = workshop();

/** Every block has embedders of its own. */
const spec = asInDiffusers(
  ditSpec({
    ...{ input_size: 8, patch_size: 4, in_channels: 1, hidden_size: 16, depth: 3, num_heads: 2 },
    ...{ mlp_ratio: 4, num_classes: 3, learn_sigma: false, time_steps: 100 },
  }),
);

beforeAll(async () => {
  mkdirSync(at('backbone'));
  const weights = Object.entries(moved(initialWeights(spec, 1), 0.1));
  const theirs = weights.map(([name, weight]) => [nameInDiffusers(name) ?? name, weight] as const);
  await writeSafetensors(at('backbone', 'diffusion_pytorch_model.safetensors'), Object.fromEntries(theirs));
  writeFileSync(at('backbone', 'config.json'), JSON.stringify(diffusersDitJson(spec)));
});

/** Trains a few steps. @returns the folder of the run */
async function trained(name: string, ...set: string[]): Promise<string> {
  const { run } = await told('train', heads, '--out', at(name), '--set', 'train.logEvery=1', ...set);
  return String(run);
}

const losses = (run: string): number[] => lossesIn(join(run, 'metrics.jsonl'));

const onnx = ['--set', 'engine.kind=onnx'];

describe('the pipeline on a DiT of diffusers', () => {
  it('goes from heads to images, and its bundle opens with the backbone as it is', async () => {
    const run = await trained('whole', ...onnx);
    await told('profile', run);
    await told('schedule', run, '--speedup', '1.1');
    await told('export', run, '--out', at('bundle'));
    await told('sample', at('bundle'), '-n', '4', '--out', at('drawn'));
    const table = await readErrorTable(join(run, 'error-table.json'));
    expect(table.exits.map(({ exit }) => exit)).toEqual([1, 2, 3]);
    expect((await told('inspect', at('bundle')))['spec']).toEqual(spec);
  });

  it('trains heads alike on onnxruntime and on WebAssembly', async () => {
    const few = ['--set', 'train.steps=3', '--set', 'train.checkpointEvery=3'];
    const [a, b] = [
      losses(await trained('onnx', ...onnx, ...few)),
      losses(await trained('wasm', '--set', 'engine.kind=wasm', ...few)),
    ];
    expect(a).toHaveLength(3);
    expect(a).toBeAllClose(b, 1e-4);
  });

  it('trains heads with blocks of their own, which join what their backbone has apart', async () => {
    const run = await trained('block', ...onnx, '--set', 'heads.kind=block');
    const [first = NaN, last = NaN] = [losses(run).at(0), losses(run).at(-1)];
    expect(last).toBeLessThan(first);
    expect(Object.keys(familyOf(spec).extraBlock.shapes(spec))).toContain('attn.qkv.weight');
  });

  it('trains on the backbone in 8 bits, which rounds its three layers apart', async () => {
    const fine = losses(await trained('fine', ...onnx)).at(-1) ?? NaN;
    const coarse = losses(await trained('coarse', ...onnx, '--set', 'engine.frozenPrecision=int8')).at(-1);
    expect(coarse).not.toBe(fine);
    expect(Math.abs((coarse ?? NaN) - fine)).toBeLessThan(0.05 * fine);
  });
});
