import { copyFileSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { writeSafetensors } from '../../src/checkpoints/safetensors.js';
import type { HostTensors } from '../../src/engine/tensors.js';
import { openVae } from '../../src/vae/openVae.js';
import { vaeShapes } from '../../src/vae/shapes.js';
import { temporaryFolders } from '../folder.js';
import { folder, inOriginalNames, tinyJson, tinySpec, tinyWeights } from '../tiny-vae.js';

const temporary = temporaryFolders();
const weightsName = 'diffusion_pytorch_model.safetensors';

/** A folder with these tensors and this config.json, if there is one. */
async function put(weights: HostTensors, json?: unknown, name = weightsName): Promise<string> {
  const path = await temporary();
  await writeSafetensors(join(path, name), weights);
  if (json !== undefined) await writeFile(join(path, 'config.json'), JSON.stringify(json));
  return path;
}

const without = (name: string): HostTensors =>
  Object.fromEntries(Object.entries(tinyWeights).filter(([key]) => key !== name));
const oldNames = Object.fromEntries(
  Object.entries(tinyWeights).map(([name, weight]) => {
    const [inner, outer] = [/\.to_(q|k|v)\./, '.to_out.0.'];
    const words: Readonly<Record<string, string>> = { q: 'query', k: 'key', v: 'value' };
    return [name.replace(inner, (_, w: string) => `.${words[w]}.`).replace(outer, '.proj_attn.'), weight];
  }),
);

describe('opening an autoencoder', () => {
  it('reads a folder of diffusers: spec, and all weights where they lie', async () => {
    const vae = await openVae(folder);
    expect(vae).toMatchObject({ spec: tinySpec, layout: 'diffusers', source: folder });
    expect(vae.reason).toMatch(/config\.json says so/);
    const shapes = Object.entries(vae.weights).map(([name, { shape }]) => [name, shape]);
    expect(Object.fromEntries(shapes)).toEqual(vaeShapes(tinySpec));
    expect(Object.values(vae.weights).every((weight) => 'path' in weight)).toBe(true);
  });

  it('reads the same from a file beside its config.json', async () => {
    const [whole, alone] = await Promise.all([openVae(folder), openVae(join(folder, weightsName))]);
    expect(alone).toEqual({ ...whole, source: alone.source });
  });

  it.each([
    ['old names of diffusers', 'old-diffusers', oldNames],
    ['names of the original code', 'latent-diffusion', inOriginalNames(tinyWeights)],
    [
      'a part of a whole checkpoint',
      'latent-diffusion',
      {
        ...inOriginalNames(tinyWeights, 'first_stage_model.'),
        'model.diffusion_model.out.2.bias': { shape: [4], data: new Float32Array(4) },
      },
    ],
  ] as const)('knows %s: the same weights', async (_, layout, weights) => {
    const [vae, usual] = [await openVae(await put(weights, tinyJson)), await openVae(folder)];
    expect(vae).toMatchObject({ layout, spec: tinySpec, fingerprint: usual.fingerprint });
  });

  it('knows a file alone by its tensors, and says what they do not show', async () => {
    const channels = { ...tinySpec, blockChannels: [32, 64], groups: 32 };
    const zeros = Object.fromEntries(
      Object.entries(vaeShapes(channels)).map(([name, shape]) => [
        name,
        { shape, data: new Float32Array(shape.reduce((size, n) => size * n, 1)) },
      ]),
    );
    const { sampleSize: _, ...seen } = channels;
    for (const weights of [zeros, inOriginalNames(zeros)]) {
      const path = join(await put(weights, undefined, 'vae.safetensors'), 'vae.safetensors');
      const { spec, reason } = await openVae(path);
      expect(spec).toEqual(seen);
      expect(reason).toMatch(/except the scaling factor 0\.18215 and norms of 32 groups/);
    }
  });

  it('takes a config.json from elsewhere, and leaves alone one of something else beside a file', async () => {
    const path = join(await put(tinyWeights, { _class_name: 'DiTTransformer2DModel' }), weightsName);
    await expect(openVae(path)).rejects.toThrow(/8, 16 channels, which are no groups of 32/);
    const vae = await openVae(path, { config: join(folder, 'config.json') });
    expect(vae.spec).toEqual(tinySpec);
  });

  it('names all that is missing, of another shape or beyond the model, at once', async () => {
    const bias = { shape: [5], data: new Float32Array(5) };
    const path = await put(
      {
        ...without('decoder.conv_in.bias'),
        'quant_conv.bias': bias,
        'encoder.down_blocks.0.resnets.1.norm1.bias': bias,
        'encoder.down_blocks.0.attentions.0.to_q.bias': bias,
      },
      tinyJson,
    );
    const message = await openVae(path).catch((error: unknown) => String(error));
    expect(message).toMatch(/UserError: .*autoencoder of 8, 16 channels with latents of 4/);
    expect(message).toMatch(/missing \(1\):\n\s+decoder\.conv_in\.bias/);
    expect(message).toMatch(/of another shape \(1\):\n\s+quant_conv\.bias has shape \[5\], expected \[8\]/);
    expect(message).toMatch(/beyond this model \(2\):/);
  });

  it('says under their own names what a file of the original code lacks', async () => {
    const { 'decoder.up.1.block.0.norm1.bias': _, ...rest } = inOriginalNames(tinyWeights);
    const extra = { 'decoder.up.1.block.2.norm1.bias': { shape: [16], data: new Float32Array(16) } };
    await expect(openVae(await put({ ...rest, ...extra }, tinyJson))).rejects.toThrow(
      /missing \(1\):\n\s+decoder\.up\.1\.block\.0\.norm1\.bias[^]*beyond this model \(1\):\n\s+decoder\.up\.1\.block\.2\.norm1/,
    );
  });

  it('refuses numbers that are not finite', async () => {
    const weights = {
      ...tinyWeights,
      'quant_conv.bias': { shape: [8], data: new Float32Array(8).fill(NaN) },
    };
    await expect(openVae(await put(weights, tinyJson))).rejects.toThrow(/not finite[^]*quant_conv\.bias/);
  });

  it('says what to give where there is no autoencoder', async () => {
    const pipeline = await temporary();
    await writeFile(join(pipeline, 'model_index.json'), '{}');
    await mkdir(join(pipeline, 'vae'));
    await expect(openVae(pipeline)).rejects.toThrow(`give ${join(pipeline, 'vae')}`);
    await expect(openVae(join(pipeline, 'nothing'))).rejects.toThrow(/not there/);
    const other = join(await temporary(), 'other.safetensors');
    await writeSafetensors(other, { weight: { shape: [1], data: Float32Array.of(1) } });
    await expect(openVae(other)).rejects.toThrow(/its tensors are not those of an AutoencoderKL/);
  });

  it('refuses a folder whose config.json is of something else', async () => {
    const path = await put(tinyWeights, { _class_name: 'DiTTransformer2DModel' });
    await expect(openVae(path)).rejects.toThrow(/describes no AutoencoderKL/);
    copyFileSync(join(folder, 'config.json'), join(path, 'config.json'));
    expect((await openVae(path)).spec).toEqual(tinySpec);
  });
});
