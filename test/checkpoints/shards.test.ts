import { mkdirSync, renameSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { openBackbone } from '../../src/checkpoints/backbone.js';
import { writeSafetensors } from '../../src/checkpoints/safetensors.js';
import { openShards } from '../../src/checkpoints/shards.js';
import { UserError } from '../../src/errors.js';
import { onnxEngine } from '../../src/engine/onnx.js';
import { isStored, type HostTensors } from '../../src/engine/tensors.js';
import { exitStep, queryInputs } from '../../src/exits/model.js';
import { fixtureJson, fixturePath, pick } from '../fixtures.js';
import { scratch } from '../scratch.js';
import * as theirs from '../tiny-diffusers.js';
import { tinyIo, tinySpec, tinyWeights } from '../tiny-dit.js';

const { path } = scratch();

/** Three files and their index. @returns the path of the index */
async function sharded(folder: string, stem: string, weights: HostTensors, json: unknown): Promise<string> {
  mkdirSync(path(folder));
  const map: Record<string, string> = {};
  for (const part of [0, 1, 2]) {
    const file = `${stem}-0000${part + 1}-of-00003.safetensors`;
    const own = Object.entries(weights).filter((_, i) => i % 3 === part);
    await writeSafetensors(join(path(folder), file), Object.fromEntries(own));
    for (const [name] of own) map[name] = file;
  }
  writeFileSync(join(path(folder), 'config.json'), JSON.stringify(json));
  const index = join(path(folder), `${stem}.safetensors.index.json`);
  writeFileSync(index, JSON.stringify({ metadata: { total_size: 1 }, weight_map: map }));
  return index;
}

describe('weights in several files', () => {
  it('open as one file does, from their folder or their index, each tensor where it lies', async () => {
    const index = await sharded('official', 'model', tinyWeights, fixtureJson('dit/config.json'));
    const whole = await openBackbone({ path: fixturePath('dit'), weights: 'auto' });
    for (const place of [path('official'), index]) {
      const { spec, weights, fingerprint } = await openBackbone({ path: place, weights: 'auto' });
      expect({ spec, fingerprint }).toEqual({ spec: tinySpec, fingerprint: whole.fingerprint });
      const files = Object.values(weights).flatMap((weight) => (isStored(weight) ? [weight.path] : []));
      expect(new Set(files).size).toBe(3);
      expect(files).toHaveLength(Object.keys(tinyWeights).length);
    }
  });

  it('give the recorded outputs, mapped from all of them, and through the links of a download cache', async () => {
    await sharded('cache', 'model', tinyWeights, fixtureJson('dit/config.json'));
    mkdirSync(path('snapshot'));
    for (const part of [1, 2, 3]) {
      const name = `model-0000${part}-of-00003.safetensors`;
      symlinkSync(join(path('cache'), name), join(path('snapshot'), name));
    }
    for (const name of ['config.json', 'model.safetensors.index.json'])
      symlinkSync(join(path('cache'), name), join(path('snapshot'), name));
    const { spec, weights } = await openBackbone({ path: path('snapshot'), weights: 'auto' });
    const step = exitStep({ spec, plans: [] }, spec.depth, false);
    const options = { state: {}, batch: queryInputs(spec), frozen: weights };
    const compiled = await onnxEngine({ threads: 1, reason: 'test' }).compile(step, options);
    const [x, t, y] = ['x', 't', 'y'].map((name) => pick(tinyIo, name).data);
    const { prediction } = await compiled({ x: x!, t: t!, y: y! });
    await compiled.dispose();
    expect(prediction?.data).toBeAllClose(pick(tinyIo, 'out').data, 2e-5);
    const first = Object.values(weights).find(isStored);
    expect(dirname(first?.path ?? '')).toMatch(/cache$/);
  });

  it('are found under the name that diffusers give them', async () => {
    await sharded('theirs', 'diffusion_pytorch_model', theirs.theirWeights, theirs.theirJson);
    const opened = await openBackbone({ path: path('theirs'), weights: 'auto' });
    const whole = await openBackbone({ path: theirs.folder, weights: 'auto' });
    expect(opened).toMatchObject({ spec: whole.spec, fingerprint: whole.fingerprint, layout: 'diffusers' });
  });

  it('are refused where links lead to several folders, from which nothing can be mapped', async () => {
    await sharded('strewn', 'model', tinyWeights, fixtureJson('dit/config.json'));
    mkdirSync(path('elsewhere'));
    const last = join(path('strewn'), 'model-00003-of-00003.safetensors');
    renameSync(last, join(path('elsewhere'), 'c.safetensors'));
    symlinkSync(join(path('elsewhere'), 'c.safetensors'), last);
    await expect(openBackbone({ path: path('strewn'), weights: 'auto' })).rejects.toThrow(
      /in several folders behind links \(.*strewn, .*elsewhere\)/,
    );
  });
});

describe('an index', () => {
  const map = (weight_map: unknown): string => JSON.stringify({ weight_map });
  const one = { shape: [1], data: Float32Array.of(1) };

  it.each<[string, string, RegExp]>([
    ['is no JSON', '{', /no sound index/],
    ['has no map', '{"weights": {}}', /no weight_map of names to files/],
    ['maps to no names', map({ a: 1 }), /no weight_map/],
    ['leads out of its folder', map({ a: '../a.safetensors' }), /names "\.\.\/a\.safetensors", expected/],
    ['leads to another place', map({ a: '/etc/passwd' }), /expected a \.safetensors file beside it/],
    ['names a file that is not there', map({ a: 'none.safetensors' }), /none\.safetensors cannot be read/],
    ['promises what a file lacks', map({ a: 'a.safetensors', z: 'a.safetensors' }), /holds z, which is not/],
    ['forgets what a file holds', map({ b: 'b.safetensors' }), /holds c, which it places in no file/],
    [
      'misplaces a tensor',
      map({ a: 'a.safetensors', b: 'b.safetensors', c: 'a.safetensors' }),
      /says that a\.saf/,
    ],
  ])('is refused if it %s', async (what, text, message) => {
    const folder = path(what.replaceAll(' ', '-'));
    mkdirSync(folder);
    await writeSafetensors(join(folder, 'a.safetensors'), { a: one });
    await writeSafetensors(join(folder, 'b.safetensors'), { b: one, c: one });
    const index = join(folder, 'model.safetensors.index.json');
    writeFileSync(index, text);
    await expect(openShards(index)).rejects.toThrow(UserError);
    await expect(openShards(index)).rejects.toThrow(message);
  });
});
