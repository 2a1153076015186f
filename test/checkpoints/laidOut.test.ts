import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { openBackbone } from '../../src/checkpoints/backbone.js';
import { laidOut, nameIn } from '../../src/checkpoints/laidOut.js';
import { writeSafetensors } from '../../src/checkpoints/safetensors.js';
import { UserError } from '../../src/errors.js';
import { onnxEngine } from '../../src/engine/onnx.js';
import { isStored, type HostTensors } from '../../src/engine/tensors.js';
import { exitStep, queryInputs } from '../../src/exits/model.js';
import { pick } from '../fixtures.js';
import { scratch } from '../scratch.js';
import * as tiny from '../tiny-diffusers.js';
import { tinySpec as officialSpec, tinyWeights as officialWeights } from '../tiny-dit.js';

const { path } = scratch();

/** The tiny model with the embedders of its first block in every block. */
const alike: HostTensors = Object.fromEntries(
  Object.entries(tiny.theirWeights).map(([name, weight]) => {
    const first = name.replace(/^transformer_blocks\.\d+\.norm1\.emb\./, 'transformer_blocks.0.norm1.emb.');
    return [name, name.includes('.emb.') ? pick(tiny.theirWeights, first) : weight];
  }),
);

/** A folder as diffusers write it. */
async function written(name: string, weights: HostTensors, json: object = tiny.theirJson): Promise<string> {
  mkdirSync(path(name));
  await writeSafetensors(join(path(name), 'diffusion_pytorch_model.safetensors'), weights);
  writeFileSync(join(path(name), 'config.json'), JSON.stringify(json));
  return path(name);
}

describe('a folder of diffusers', () => {
  it('opens with weights that stay mapped, and computes what their class does', async () => {
    const { spec, weights, layout, ownEmbedders } = await openBackbone({
      path: tiny.folder,
      weights: 'auto',
    });
    expect(spec).toEqual(tiny.tinySpec);
    expect({ layout, ownEmbedders }).toEqual({ layout: 'diffusers', ownEmbedders: [1, 2] });
    expect(Object.values(weights).every(isStored)).toBe(true);
    const step = exitStep({ spec, plans: [] }, spec.depth, false);
    const compiled = await onnxEngine({ threads: 1, reason: 'test' }).compile(step, {
      ...{ state: {}, batch: queryInputs(spec), frozen: weights },
    });
    const [x, t, y] = ['x', 't', 'y'].map((name) => pick(tiny.tinyIo, name).data);
    const { prediction } = await compiled({ x: x!, t: t!, y: y! });
    await compiled.dispose();
    expect(prediction?.data).toBeAllClose(pick(tiny.tinyIo, 'out').data, 5e-6);
  });

  it('takes the embedders of the first block for all where they are equal', async () => {
    const opened = await openBackbone({ path: await written('alike', alike), weights: 'auto' });
    expect(opened.spec).toEqual({ ...tiny.tinySpec, embedders: 'shared' });
    expect(opened.ownEmbedders).toEqual([]);
    expect(Object.keys(opened.weights).filter((name) => name.includes('_embedder'))).toHaveLength(7);
    // A bundle says what the backbone was, and finds it again.
    const again = await openBackbone({ path: path('alike'), weights: 'auto', spec: opened.spec });
    expect(again).toMatchObject({ spec: opened.spec, fingerprint: opened.fingerprint });
  });

  it('sees a single number that differs between embedders', async () => {
    const name = 'transformer_blocks.2.norm1.emb.timestep_embedder.linear_2.bias';
    const { shape, data } = pick(alike, name);
    const moved = { shape, data: Float32Array.from(data, (x, i) => (i === 5 ? x + 1e-6 : x)) };
    const { ownEmbedders, tensors } = await laidOut({ ...alike, [name]: moved });
    expect(ownEmbedders).toEqual([2]);
    expect(Object.keys(tensors)).toContain('blocks.1.t_embedder.mlp.2.bias');
  });

  it('is told apart from the weights of a run, which refuse other embedders', async () => {
    const path = tiny.folder;
    const spec = { ...tiny.tinySpec, embedders: 'shared' } as const;
    await expect(openBackbone({ path, weights: 'auto', spec })).rejects.toThrow(
      /missing \(5\):\n *transformer_blocks\.0\.norm1\.emb/,
    );
  });

  it('names what is missing or misshapen as the file does', async () => {
    const { 'proj_out_1.bias': _, ...rest } = alike;
    const query = 'transformer_blocks.1.attn1.to_q.weight';
    const wrong = { ...rest, [query]: { shape: [48, 47], data: new Float32Array(48 * 47) } };
    const opening = openBackbone({ path: await written('wrong', wrong), weights: 'auto' });
    await expect(opening).rejects.toThrow(
      /missing \(1\):\n *proj_out_1\.bias\n[^]*to_q\.weight has shape \[48, 47\], expected \[48, 48\]/,
    );
    const deeper = { ...alike, 'transformer_blocks.3.attn1.to_q.bias': pick(alike, 'proj_out_1.bias') };
    const larger = openBackbone({ path: await written('deeper', deeper), weights: 'auto' });
    await expect(larger).rejects.toThrow(
      /beyond this model \(1\):\n *transformer_blocks\.3\.attn1\.to_q\.bias/,
    );
  });

  it('says where its weights are if it is a pipeline, and what is missing if they stand alone', async () => {
    mkdirSync(path('pipeline'));
    writeFileSync(join(path('pipeline'), 'model_index.json'), '{}');
    const opening = openBackbone({ path: path('pipeline'), weights: 'auto' });
    await expect(opening).rejects.toThrow(/pipeline of diffusers: give .*pipeline\/transformer\./);
    const alone = path('alone.safetensors');
    copyFileSync(join(tiny.folder, 'diffusion_pytorch_model.safetensors'), alone);
    const bare = openBackbone({ path: alone, weights: 'auto' });
    await expect(bare).rejects.toThrow(UserError);
    await expect(bare).rejects.toThrow(
      /DiT of diffusers, which does not hold its positions.*side of its input/,
    );
  });
});

describe('the official layout', () => {
  it('keeps its names', async () => {
    expect(await laidOut(officialWeights)).toEqual({
      ...{ layout: 'official', tensors: officialWeights, ownEmbedders: [] },
    });
    for (const name of Object.keys(officialWeights)) expect(nameIn('official', name)).toBe(name);
    expect(officialSpec.projections).toBe('joined');
  });
});
