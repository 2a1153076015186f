import { describe, expect, it } from '@jest/globals';
import { isVaeConfig, readVaeSpec, vaeFromShapes } from '../../src/vae/spec.js';
import { decoderShapes, encoderShapes, vaeShapes } from '../../src/vae/shapes.js';
import { sizeOf } from '../../src/engine/tensors.js';
import { tinyJson, tinySpec } from '../tiny-vae.js';

const refusal = (changes: Readonly<Record<string, unknown>>): string => {
  try {
    readVaeSpec({ ...tinyJson, ...changes }, 'config.json');
    return '';
  } catch (error) {
    return String(error);
  }
};

/** Of Stable Diffusion, which DiT uses. */
const stableDiffusion = readVaeSpec(
  {
    _class_name: 'AutoencoderKL',
    block_out_channels: [128, 256, 512, 512],
    down_block_types: Array(4).fill('DownEncoderBlock2D'),
    up_block_types: Array(4).fill('UpDecoderBlock2D'),
    layers_per_block: 2,
    sample_size: 256,
  },
  'config.json',
);

describe('the spec of an autoencoder', () => {
  it('is what its config.json says', () => {
    expect(tinySpec).toEqual({
      ...{ imageChannels: 3, latentChannels: 4, blockChannels: [8, 16], layersPerBlock: 1, groups: 4 },
      ...{ attention: true, afterEncoder: true, beforeDecoder: true },
      ...{ scalingFactor: 0.18215, shift: 0, downsampling: 2, sampleSize: 16 },
    });
  });

  it('has the parameters of the published one: 83.7 million, 34.2 of them in the encoder', () => {
    const total = (shapes: Readonly<Record<string, readonly number[]>>): number =>
      Object.values(shapes).reduce((sum, shape) => sum + sizeOf(shape), 0);
    expect(stableDiffusion).toMatchObject({ downsampling: 8, scalingFactor: 0.18215, groups: 32 });
    expect(total(vaeShapes(stableDiffusion))).toBe(83_653_863);
    expect(total(encoderShapes(stableDiffusion))).toBe(34_163_664);
    expect(total(decoderShapes(stableDiffusion))).toBe(49_490_199);
  });

  it('knows latents that are shifted, and models without the small convolutions or attention', () => {
    const spec = readVaeSpec(
      {
        ...tinyJson,
        ...{ shift_factor: 0.1159, scaling_factor: 0.3611, latent_channels: 16 },
        ...{ use_quant_conv: false, use_post_quant_conv: false, mid_block_add_attention: false },
      },
      'config.json',
    );
    expect(spec).toMatchObject({ shift: 0.1159, scalingFactor: 0.3611, latentChannels: 16 });
    const names = Object.keys(vaeShapes(spec));
    expect(names.some((name) => /quant_conv|attentions/.test(name))).toBe(false);
  });

  it.each([
    [{ norm_num_groups: 3 }, /norm_num_groups 3 does not divide block_out_channels 8, 16/],
    [{ down_block_types: ['DownEncoderBlock2D', 'AttnDownEncoderBlock2D'] }, /DownEncoderBlock2D alone/],
    [{ block_out_channels: [8, 16, 16] }, /block_out_channels has 3 numbers, down_block_types 2/],
    [{ act_fn: 'relu' }, /expected silu/],
    [{ latents_mean: [0, 0, 0, 0] }, /latents_mean: expected null/],
    [{ scaling_factor: 0 }, /scaling_factor/],
    [{ out_channels: 1 }, /in_channels 3 and out_channels 1 differ/],
    [{ _class_name: 'AutoencoderTiny' }, /expected AutoencoderKL/],
    [{ block_out_channels: Array(13).fill(8) }, /block_out_channels/],
  ])('refuses %j, saying why', (changes, message) => {
    expect(refusal(changes)).toMatch(message);
  });

  it('is told from a config.json of something else by the name of the class', () => {
    expect(isVaeConfig(tinyJson)).toBe(true);
    for (const json of [null, [], 'AutoencoderKL', {}, { _class_name: 'VQModel' }])
      expect(isVaeConfig(json)).toBe(false);
  });

  it('is read off the shapes of the tensors, where those show it', () => {
    const seen = (shapes: Readonly<Record<string, readonly number[]>>): unknown =>
      vaeFromShapes((name) => shapes[name]);
    const { sampleSize: _, ...all } = stableDiffusion;
    expect(seen(vaeShapes(stableDiffusion))).toMatchObject({ spec: all });
    expect(seen(vaeShapes({ ...stableDiffusion, attention: false, afterEncoder: false }))).toMatchObject({
      spec: { attention: false, afterEncoder: false, beforeDecoder: true },
    });
    expect(seen(vaeShapes({ ...stableDiffusion, latentChannels: 16 }))).toMatch(/latents have 16 channels/);
    expect(seen({})).toMatch(/not those of an AutoencoderKL/);
  });
});
