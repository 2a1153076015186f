import { copyFileSync, existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from '@jest/globals';
import { familyOf } from '../../src/backbones/families.js';
import { publishedSize } from '../../src/backbones/spec.js';
import { openBackbone, type BackboneSource } from '../../src/checkpoints/backbone.js';
import { writeSafetensors } from '../../src/checkpoints/safetensors.js';
import { UserError } from '../../src/errors.js';
import { onnxEngine } from '../../src/engine/onnx.js';
import { tf } from '../../src/engine/tf.js';
import { isStored, sizeOf, type HostTensors } from '../../src/engine/tensors.js';
import { exitStep, queryInputs } from '../../src/exits/model.js';
import { fixtureJson, fixturePath, fixtureTensors, pick } from '../fixtures.js';
import { scratch } from '../scratch.js';
import { tinyIo, tinySpec } from '../tiny-dit.js';
import { recordedFeeds, tinyUvit } from '../tiny-uvit.js';

const { path } = scratch();
const fixture = (name: string, rest: Partial<BackboneSource> = {}): BackboneSource => ({
  path: fixturePath(name),
  weights: 'auto',
  ...rest,
});
const refused = async (source: BackboneSource, message: RegExp) => {
  await expect(openBackbone(source)).rejects.toThrow(UserError);
  await expect(openBackbone(source)).rejects.toThrow(message);
};
/** A folder with copies of fixtures under other names. */
const folder = (name: string, files: Readonly<Record<string, string>>): string => {
  mkdirSync(path(name));
  for (const [as, from] of Object.entries(files)) copyFileSync(fixturePath(from), join(path(name), as));
  return path(name);
};

beforeAll(() => tf.setBackend('cpu'));

describe('a backbone of the official code', () => {
  it.each<[string, BackboneSource, string]>([
    ['a folder', fixture('dit'), 'out'],
    ['the model of a .pt file', fixture('dit/model.pt', { weights: 'model' }), 'out'],
    ['the averaged weights of a .pt file', fixture('dit/model.pt'), 'out_ema'],
    ['a .pt file in F16', fixture('dit/model_plain.pt'), 'out_fp16_weights'],
    ['a .safetensors file in BF16', fixture('dit/model_bf16.safetensors'), 'out_bf16_weights'],
  ])('gives the recorded outputs from %s, mapped where it lies', async (_, source, name) => {
    const { spec, weights } = await openBackbone(source);
    expect(spec).toEqual(tinySpec);
    expect(Object.values(weights).every(isStored)).toBe(true);
    const engine = onnxEngine({ threads: 1, reason: 'test' });
    const step = exitStep({ spec, plans: [] }, spec.depth, false);
    const compiled = await engine.compile(step, { state: {}, batch: queryInputs(spec), frozen: weights });
    const [x, t, y] = ['x', 't', 'y'].map((key) => pick(tinyIo, key).data);
    const { prediction } = await compiled({ x: x!, t: t!, y: y! });
    await compiled.dispose();
    expect(prediction?.data).toBeAllClose(pick(tinyIo, name).data, 2e-5);
  });

  it('has the same fingerprint in every file that holds the same numbers', async () => {
    const [a, b, ema] = await Promise.all(
      [fixture('dit'), fixture('dit/model.pt', { weights: 'model' }), fixture('dit/model.pt')].map(
        openBackbone,
      ),
    );
    expect(a?.fingerprint).toMatch(/^[0-9a-f]{64}$/);
    expect(b?.fingerprint).toBe(a?.fingerprint);
    expect(ema?.fingerprint).not.toBe(a?.fingerprint);
    expect(a?.source).toBe(fixturePath('dit'));
  });
});

describe('a U-ViT of the official code', () => {
  it.each<[string, BackboneSource, string]>([
    ['a folder', fixture('uvit/uncond'), 'uncond'],
    ['a bare state dict in F32', fixture('uvit/uncond/nnet_ema.pth'), 'uncond'],
    ['a folder with classes', fixture('uvit/cond'), 'cond'],
    ['a bare state dict in F16', fixture('uvit/cond/nnet_ema.pth'), 'cond'],
  ])('gives the recorded outputs from %s, mapped where it lies', async (_, source, which) => {
    const { spec, weights, reason } = await openBackbone(source);
    expect(reason).toContain(`uvit/${which}/config.json says so`);
    expect(Object.values(weights).every(isStored)).toBe(true);
    const engine = onnxEngine({ threads: 1, reason: 'test' });
    // The recorded t is native.
    const step = exitStep({ spec: { ...spec, timeAxis: 'steps' }, plans: [] }, spec.depth, false);
    const compiled = await engine.compile(step, { state: {}, batch: queryInputs(spec), frozen: weights });
    const { io, ...tiny } = tinyUvit(which === 'cond' ? 'cond' : 'uncond');
    const { prediction } = await compiled(recordedFeeds({ ...tiny, io }));
    await compiled.dispose();
    const half = source.path.endsWith('.pth') && which === 'cond';
    expect(prediction?.data).toBeAllClose(pick(io, half ? 'out_pth' : 'out').data, 2e-5);
  });

  it('is found as nnet_ema.pth in a folder, and left by the rule that is asked for', async () => {
    const at = folder('uvit', {
      'config.json': 'uvit/cond/config.json',
      'nnet_ema.pth': 'uvit/cond/nnet_ema.pth',
    });
    const { spec } = await openBackbone({ path: at, weights: 'auto', exitRule: 'plain' });
    expect(spec).toMatchObject({ family: 'uvit', classes: 10, exitRule: 'plain' });
    await refused(fixture('dit', { exitRule: 'plain' }), /exitRule \(plain\).*but this is DiT-tiny\/2/);
  });

  it('is refused by options of another one, which would run without a part of it', async () => {
    await refused(
      fixture('uvit/cond', { config: fixturePath('uvit/uncond/config.json') }),
      /unconditional\):\n.*another shape.*\n.*pos_embed.*\n.*beyond this model \(1\):\n *label_emb\.weight/,
    );
    const without = path('no-conv.json');
    writeFileSync(
      without,
      JSON.stringify({ ...(fixtureJson('uvit/uncond/config.json') as object), conv: false }),
    );
    await refused(
      fixture('uvit/uncond', { config: without }),
      /beyond this model \(2\):\n *final_layer\.\w+\n *final_layer\.\w+/,
    );
    await refused(fixture('uvit/uncond', { config: fixturePath('dit/config.json') }), /missing/);
  });

  it('is known by its tensors alone where its size was published', async () => {
    const spec = publishedSize('U-ViT-S/2', { input_size: 4 });
    const file = path('alone.safetensors');
    const zeros = Object.entries(familyOf(spec).shapes(spec)).map(([name, shape]) => [
      name,
      { shape, data: new Float32Array(sizeOf(shape)) },
    ]);
    await writeSafetensors(file, Object.fromEntries(zeros) as HostTensors);
    const opened = await openBackbone({ path: file, weights: 'auto' });
    expect(opened.spec).toEqual(spec);
    expect(opened.reason).toBe('its tensors are those of a U-ViT of depth 12 and width 512');
  });
});

interface Expected {
  readonly file: string;
  readonly expect: string;
  readonly key?: string;
  readonly missing?: readonly string[];
  readonly shape?: readonly number[];
  readonly expected_shape?: readonly number[];
}
const { files } = fixtureJson('bad/expected.json') as { readonly files: readonly Expected[] };

describe('of the damaged and hostile files', () => {
  it.each(files.map((entry) => [entry.file, entry] as const))('%s does as expected', async (file, entry) => {
    const opening = openBackbone(fixture(`bad/${file}`));
    if (entry.expect.startsWith('load correctly') || entry.expect === 'load') {
      expect((await opening).spec.depth).toBe(3);
      return;
    }
    const error: unknown = await opening.catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(UserError);
    const { message } = error as UserError;
    const named = [...(entry.missing ?? []), ...(entry.key === undefined ? [] : [entry.key])];
    for (const key of named) expect(message).toContain(key);
    for (const shape of [entry.shape, entry.expected_shape])
      if (shape && file.startsWith('wrong_shape')) expect(message).toContain(`[${shape.join(', ')}]`);
    expect(message).toContain(file);
  });
  it('the one with NaN is refused with index and count', () =>
    refused(fixture('bad/nan.safetensors'), /attn\.proj\.weight: 2, the first is NaN at flat index 5/));
  it('the hostile one is refused by the global it names, and runs nothing', async () => {
    await refused(fixture('bad/malicious.pt'), /"os\.system"/);
    expect(existsSync(join(tmpdir(), 'pwned'))).toBe(false);
  });
  it('the old one holds the same weights as the sound one', async () => {
    const [old, sound] = await Promise.all(
      ['bad/legacy_tar.pt', 'bad/control.pt'].map((name) => openBackbone(fixture(name))),
    );
    expect(old?.fingerprint).toBe(sound?.fingerprint);
  });
});

describe('openBackbone', () => {
  it('takes model.safetensors of a folder before model.pt, and model.pt where it is alone', async () => {
    const both = { 'config.json': 'dit/config.json', 'model.pt': 'dit/model.pt' };
    const first = folder('both', { ...both, 'model.safetensors': 'dit/model_bf16.safetensors' });
    const { weights } = await openBackbone({ path: first, weights: 'auto' });
    expect(weights['pos_embed']).toMatchObject({ dtype: 'BF16' });
    const second = await openBackbone({ path: folder('alone', both), weights: 'auto' });
    expect(second.fingerprint).toBe((await openBackbone(fixture('dit/model.pt'))).fingerprint);
  });
  it('looks at the content, not at the name', async () => {
    const config = fixturePath('bad/config.json');
    const at = folder('swapped', { 'a.pt': 'bad/control.safetensors', 'b.safetensors': 'bad/control.pt' });
    const a = await openBackbone({ path: join(at, 'a.pt'), weights: 'auto', config });
    const b = await openBackbone({ path: join(at, 'b.safetensors'), weights: 'auto', config });
    expect(a.fingerprint).toBe(b.fingerprint);
    copyFileSync(fixturePath('bad/README.md'), join(at, 'c.pth'));
    await refused({ path: join(at, 'c.pth'), weights: 'auto', config }, /not a zip archive/);
  });
  it('points at the file behind a link, as download caches have them', async () => {
    const at = folder('linked', { 'config.json': 'dit/config.json' });
    symlinkSync(fixturePath('dit/model.safetensors'), join(at, 'model.safetensors'));
    const { weights } = await openBackbone({ path: at, weights: 'auto' });
    expect(weights['pos_embed']).toMatchObject({ path: fixturePath('dit/model.safetensors') });
  });
  it('compares with a published size where one is given', async () => {
    const wanted = publishedSize('DiT-S/2', { input_size: 64 });
    expect(wanted.tokens).toBe(1024);
    await refused(
      fixture('dit/model.pt', { size: 'DiT-S/2', imageSize: 64 }),
      /pos_embed has shape \[1, 16, 48\], expected \[1, 1024, 384\]/,
    );
  });

  it('says what to give where the spec is not known, or given twice', async () => {
    const at = folder('bare', { 'model.pt': 'bad/control.pt', 'config.txt': 'bad/README.md' });
    const file = join(at, 'model.pt');
    await refused({ path: file, weights: 'auto' }, /no config\.json beside it.*as config.*DiT-XL\/2 as size/);
    const config = fixturePath('dit/config.json');
    await refused({ path: file, weights: 'auto', config, size: 'DiT-S/2' }, /Give one of them/);
    await refused({ path: file, weights: 'auto', config, imageSize: 32 }, /imageSize \(32\) goes with size/);
    await refused(
      { path: file, weights: 'auto', config: join(at, 'config.txt') },
      /config\.txt cannot be read as JSON/,
    );
    await refused({ path: file, weights: 'auto', config: at }, /cannot be read as JSON/);
  });
  it('says what to give where there are no weights', async () => {
    await refused({ path: path('nowhere'), weights: 'auto' }, /is not there/);
    await refused({ path: '/dev/null', weights: 'auto' }, /neither a file nor a folder/);
    await refused(fixture('ase'), /holds none of model\.safetensors, .*Give a folder that holds one/);
    await refused(fixture('dit', { weights: 'ema' }), /one set of weights, so there is no ema/);
    await refused(fixture('dit/model_plain.pt', { weights: 'ema' }), /plain state dict, expected ema/);
  });
});

describe('the parameters of a backbone', () => {
  const tiny = fixtureTensors('bad/control.safetensors');
  const config = fixturePath('bad/config.json');
  const written = async (name: string, tensors: HostTensors): Promise<BackboneSource> => {
    await writeSafetensors(path(name), tensors);
    return { path: path(name), weights: 'auto', config };
  };
  const renamed = (change: (name: string) => string): HostTensors =>
    Object.fromEntries(Object.entries(tiny).map(([name, tensor]) => [change(name), tensor]));

  it('may come with tensors that no DiT has, which are left out', async () => {
    const source = await written('extra', {
      ...tiny,
      rope_cache: { shape: [1], data: Float32Array.of(NaN) },
    });
    const { weights, fingerprint } = await openBackbone(source);
    expect(Object.keys(weights).toSorted()).toEqual(Object.keys(tiny).toSorted());
    expect(fingerprint).toBe((await openBackbone(fixture('bad/control.safetensors'))).fingerprint);
  });
  it('are refused from a deeper model, which would run as a shallow one', async () => {
    const deeper = { ...tiny, 'blocks.3.attn.qkv.bias': pick(tiny, 'blocks.2.attn.qkv.bias') };
    await refused(
      await written('deeper', deeper),
      /beyond this model \(1\):\n {4}blocks\.3\.attn\.qkv\.bias/,
    );
  });
  it('are listed under the names they have, where those differ', async () => {
    const source = await written(
      'prefixed',
      renamed((name) => `module.${name}`),
    );
    await refused(
      source,
      /missing \(42\):\n {4}pos_embed\n[^]*blocks\.\{0-2\}\.attn\.qkv\.bias +the file has module\.blocks\.\{0-2\}\.attn\.qkv\.bias\n[^]*unknown \(1\):\n {4}module\.pos_embed\n/,
    );
  });
  it('are said to be of a wrong type where they are', async () => {
    const { pos_embed: _, ...rest } = tiny;
    const source = await written('typed', rest);
    const bytes = readFileSync(source.path);
    const length = Number(bytes.readBigUInt64LE());
    const header = JSON.parse(bytes.subarray(8, 8 + length).toString()) as Record<string, unknown>;
    const end = bytes.length - 8 - length;
    header['pos_embed'] = { dtype: 'F64', shape: [1], data_offsets: [end, end + 8] };
    const json = Buffer.from(JSON.stringify(header));
    const start = Buffer.alloc(8);
    start.writeBigUInt64LE(BigInt(json.length));
    writeFileSync(source.path, Buffer.concat([start, json, bytes.subarray(8 + length), Buffer.alloc(8)]));
    await refused(source, /pos_embed {2}\(it is there, but of type F64; expected F32, F16 or BF16\)/);
  });
});
