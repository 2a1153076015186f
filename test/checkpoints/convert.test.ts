import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { initialWeights } from '../../src/backbones/init.js';
import { ditSpec } from '../../src/backbones/spec.js';
import { openBackbone, type BackboneSource } from '../../src/checkpoints/backbone.js';
import { planConversion, writeConversion } from '../../src/checkpoints/convert.js';
import { fingerprintOf } from '../../src/checkpoints/fingerprint.js';
import { openSafetensors, writeSafetensors } from '../../src/checkpoints/safetensors.js';
import { writeBackbone } from '../../src/checkpoints/writeBackbone.js';
import { UserError } from '../../src/errors.js';
import { onnxEngine } from '../../src/engine/onnx.js';
import type { HostTensors } from '../../src/engine/tensors.js';
import { exitStep, queryInputs } from '../../src/exits/model.js';
import { fixturePath, fixtureTensors, pick } from '../fixtures.js';
import { scratch } from '../scratch.js';
import * as tiny from '../tiny-diffusers.js';
import { tinyIo as officialIo } from '../tiny-dit.js';

const { path } = scratch();
const open = (at: string, rest: Partial<BackboneSource> = {}) =>
  openBackbone({ path: at, weights: 'auto', ...rest });
const official = fixturePath('dit');
const theirFile = 'diffusion_pytorch_model.safetensors';

/** Converts into a folder of that name. */
async function converted(from: string, to: 'official' | 'diffusers', name: string) {
  const plan = await planConversion(await open(from), to);
  return { plan, at: path(name), fingerprint: await writeConversion(plan, path(name)) };
}

/** What the whole backbone makes of a recorded query. */
async function prediction(at: string, io: HostTensors): Promise<ArrayLike<number>> {
  const { spec, weights } = await open(at);
  const step = exitStep({ spec, plans: [] }, spec.depth, false);
  const options = { state: {}, batch: queryInputs(spec), frozen: weights };
  const compiled = await onnxEngine({ threads: 1, reason: 'test' }).compile(step, options);
  const [x, t, y] = ['x', 't', 'y'].map((name) => pick(io, name).data);
  const out = await compiled({ x: x!, t: t!, y: y! });
  await compiled.dispose();
  return pick(out, 'prediction').data;
}

/** A folder of diffusers whose blocks have equal embedders, as what was converted from the official code. */
async function alike(name: string): Promise<string> {
  const first = (key: string): string => key.replace(/^(transformer_blocks)\.\d+(\.norm1\.emb\.)/, '$1.0$2');
  const names = Object.keys(tiny.theirWeights);
  const weights = Object.fromEntries(names.map((key) => [key, pick(tiny.theirWeights, first(key))]));
  mkdirSync(path(name));
  await writeSafetensors(join(path(name), theirFile), weights, { metadata: { format: 'pt' } });
  writeFileSync(join(path(name), 'config.json'), JSON.stringify(tiny.theirJson));
  return path(name);
}

describe('an official DiT for diffusers', () => {
  it('has the names, shapes and config.json of their class', async () => {
    const { at, plan } = await converted(official, 'diffusers', 'names');
    expect(readdirSync(at).sort()).toEqual(['config.json', theirFile]);
    const written = fixtureTensors('dit/model.safetensors');
    const { tensors, metadata } = await openSafetensors(join(at, theirFile));
    expect(metadata).toEqual({ format: 'pt' });
    const inThree = (name: string): boolean => !/^transformer_blocks\.[345]\./.test(name);
    expect(Object.keys(tensors).filter(inThree).toSorted()).toEqual(
      Object.keys(tiny.theirWeights).toSorted(),
    );
    for (const [name, { shape }] of Object.entries(tiny.theirWeights))
      expect(tensors[name]).toMatchObject({ shape });
    expect(plan.bytes).toBe(Object.values(tensors).reduce((sum, { bytes }) => sum + bytes, 0));
    const { _diffusers_version: _, ...theirs } = tiny.theirJson;
    expect(JSON.parse(readFileSync(join(at, 'config.json'), 'utf8'))).toEqual({
      ...theirs,
      ...{ num_layers: 6, norm_eps: 1e-6, time_shift: 0 },
    });
    // Rows 48 to 95 of the joined layer make the key.
    const key = fixtureTensorsOf(join(at, theirFile), 'transformer_blocks.4.attn1.to_k.weight');
    expect(key).toEqual(pick(written, 'blocks.4.attn.qkv.weight').data.slice(48 * 48, 96 * 48));
  });

  it('computes the same here, which their code would not: its waves of time differ', async () => {
    const { at, plan } = await converted(official, 'diffusers', 'same');
    expect(await prediction(at, officialIo)).toBeAllClose(pick(officialIo, 'out').data, 2e-5);
    const [shift] = plan.differences;
    expect(shift).toMatchObject({ field: 'timeShift', here: 0, there: 1 });
    expect(shift?.meaning).toContain('is 0.82 at t = 500 and 0.49 at t = 999');
    expect(plan.differences.slice(1).every(({ field }) => field === 'positions')).toBe(true);
  });

  it('comes back bit for bit', async () => {
    const spec = ditSpec({
      ...{ input_size: 8, patch_size: 2, in_channels: 2, hidden_size: 16, depth: 3, num_heads: 2 },
      ...{ mlp_ratio: 4, num_classes: 5, learn_sigma: true, time_steps: 250 },
    });
    const before = await writeBackbone(path('made'), spec, initialWeights(spec, 1));
    const { at, plan } = await converted(path('made'), 'diffusers', 'there');
    expect(plan.differences.map(({ field }) => field)).toEqual(['timeShift']);
    const back = await converted(at, 'official', 'back');
    expect(back.fingerprint).toBe(before);
    expect(back.plan).toMatchObject({ spec, differences: [] });
    for (const file of ['config.json', 'model.safetensors'])
      expect(readFileSync(join(back.at, file))).toEqual(readFileSync(join(path('made'), file)));
  });

  it('keeps numbers in the type they are stored in', async () => {
    for (const [file, dtype] of [
      ['model_bf16.safetensors', 'BF16'],
      ['model_plain.pt', 'F16'],
    ] as const) {
      const opened = await open(join(official, file));
      const plan = await planConversion(opened, 'diffusers');
      await writeConversion(plan, path(dtype));
      const { tensors } = await openSafetensors(join(path(dtype), theirFile));
      expect(new Set(Object.values(tensors).map((tensor) => tensor.dtype))).toEqual(new Set([dtype]));
      // The rounded positions are not kept, and that is said.
      expect(plan.differences.at(-1)).toMatchObject({ field: 'positions' });
      expect(plan.differences.at(-1)?.meaning).toMatch(/by up to 0\.00\d+, and computed there/);
      const { weights } = await open((await converted(path(dtype), 'official', `${dtype}-back`)).at);
      const [before, after] = [opened.weights, weights].map(({ pos_embed: _, ...rest }) =>
        fingerprintOf(rest),
      );
      expect(await after).toBe(await before);
    }
  });

  it('is refused where their class has no place for it', async () => {
    const options = { input_size: 8, patch_size: 2, in_channels: 1, hidden_size: 16, depth: 1, num_heads: 2 };
    const rest = { num_classes: 2, learn_sigma: false };
    const wide = ditSpec({ ...options, ...rest, mlp_ratio: 2 });
    await writeBackbone(path('wide'), wide, initialWeights(wide, 1));
    await expect(planConversion(await open(path('wide')), 'diffusers')).rejects.toThrow(
      /mlp_ratio 2\. Use it as it is/,
    );
    const spec = ditSpec({ ...options, ...rest, mlp_ratio: 4 });
    const weights = initialWeights(spec, 1);
    const { shape, data } = pick(weights, 'pos_embed');
    const learned = { shape, data: Float32Array.from(data, (x) => x + 0.1) };
    await writeBackbone(path('learned'), spec, { ...weights, pos_embed: learned });
    const planning = planConversion(await open(path('learned')), 'diffusers');
    await expect(planning).rejects.toThrow(/its own pos_embed differs from it by up to 0\.10/);
  });
});

describe('a DiT of diffusers for the official code', () => {
  it('has the names, shapes and config.json of the official class, and both differences are said', async () => {
    const { at, plan } = await converted(await alike('alike'), 'official', 'official');
    expect(readdirSync(at).sort()).toEqual(['config.json', 'model.safetensors']);
    const { spec, layout, reason } = await open(at);
    expect({ layout, spec }).toEqual({ layout: 'official', spec: plan.spec });
    expect(spec).toMatchObject({
      timeShift: 1,
      mlpNormEpsilon: 1e-5,
      projections: 'joined',
      positions: 'stored',
    });
    expect(reason).toContain('config.json says so');
    expect(plan.differences).toMatchObject([
      { field: 'timeShift', here: 1, there: 0 },
      { field: 'mlpNormEpsilon', here: 1e-5, there: 1e-6 },
    ]);
  });

  it('computes the same here, and comes back bit for bit', async () => {
    const from = await alike('alike-too');
    const { at } = await converted(from, 'official', 'official-too');
    const before = await prediction(from, tiny.tinyIo);
    expect(await prediction(at, tiny.tinyIo)).toBeAllClose(before, 2e-6);
    const back = await converted(at, 'diffusers', 'back-too');
    expect(back.plan.differences).toEqual([]);
    expect(back.fingerprint).toBe((await open(from)).fingerprint);
    const [a, b] = [from, back.at].map((folder) => join(folder, theirFile)) as [string, string];
    for (const name of Object.keys(tiny.theirWeights))
      expect(fixtureTensorsOf(a, name)).toEqual(fixtureTensorsOf(b, name));
  });

  it('is equivalent where its config.json says that the official code trained it', async () => {
    const at = await alike('trained');
    const json = { ...tiny.theirJson, time_shift: 0, norm_eps: 1e-6 };
    writeFileSync(join(at, 'config.json'), JSON.stringify(json));
    expect((await planConversion(await open(at), 'official')).differences).toEqual([]);
  });

  it('is refused where its blocks have embedders of their own', async () => {
    const planning = planConversion(await open(tiny.folder), 'official');
    await expect(planning).rejects.toThrow(UserError);
    await expect(planning).rejects.toThrow(
      /its blocks 2, 3 have embedders that differ from the first block's\. It was trained in diffusers; use it as it is/,
    );
  });

  it('is refused where query and key are stored in different types', async () => {
    const at = await alike('mixed');
    const { tensors } = await openSafetensors(join(at, theirFile));
    const query = 'transformer_blocks.1.attn1.to_q.weight';
    // The same bytes, read as twice as many numbers: only the header of this file matters here.
    const opened = await open(at);
    const weights = { ...opened.weights };
    const stored = tensors[query]!;
    weights['blocks.1.attn.q.weight'] = { ...stored, dtype: 'BF16', bytes: stored.bytes / 2 };
    await expect(planConversion({ ...opened, weights }, 'official')).rejects.toThrow(
      /blocks\.1\.attn\.qkv\.weight are stored as BF16 and F32, expected one type/,
    );
  });
});

describe('a conversion', () => {
  it('is refused of what lies in that layout already, and of other families', async () => {
    await expect(planConversion(await open(official), 'official')).rejects.toThrow(
      /is in the layout official already/,
    );
    await expect(planConversion(await open(tiny.folder), 'diffusers')).rejects.toThrow(/diffusers already/);
    await expect(planConversion(await open(fixturePath('uvit/cond')), 'diffusers')).rejects.toThrow(
      /is U-ViT-tiny\/2, which has one layout/,
    );
  });

  it('leaves a folder with other files alone', async () => {
    mkdirSync(path('full'));
    writeFileSync(join(path('full'), 'notes.txt'), 'mine');
    const plan = await planConversion(await open(official), 'diffusers');
    await expect(writeConversion(plan, path('full'))).rejects.toThrow(/holds other files \(notes\.txt\)/);
    expect(readdirSync(path('full'))).toEqual(['notes.txt']);
  });
});

/** The numbers of one F32 tensor of a file. */
function fixtureTensorsOf(file: string, name: string): Float32Array {
  const bytes = readFileSync(file);
  const length = Number(bytes.readBigUInt64LE());
  const header = JSON.parse(bytes.subarray(8, 8 + length).toString()) as Record<
    string,
    { data_offsets: [number, number] }
  >;
  const [from, to] = header[name]!.data_offsets;
  return new Float32Array(Uint8Array.from(bytes.subarray(8 + length + from, 8 + length + to)).buffer);
}
