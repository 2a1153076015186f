// The tiny autoencoder of test/fixtures/diffusers: its folder, spec, weights and recorded tensors.
import type { HostTensors } from '../src/engine/tensors.js';
import { readVaeSpec } from '../src/vae/spec.js';
import { fixtureJson, fixturePath, fixtureTensors } from './fixtures.js';

export const folder = fixturePath('diffusers/vae');
export const tinyJson = fixtureJson('diffusers/vae/config.json') as Readonly<Record<string, unknown>>;
export const tinySpec = readVaeSpec(tinyJson, 'config.json');
export const tinyWeights = fixtureTensors('diffusers/vae/diffusion_pytorch_model.safetensors');
export const tinyIo = fixtureTensors('diffusers/vae/io.safetensors');
/** A latent larger than a tile, and what diffusers decode it to. */
export const tinyTiled = fixtureTensors('diffusers/vae/tiled.safetensors');

/** The weights under names that the original code gives them, where attention is a convolution. */
export function inOriginalNames(weights: HostTensors, prefix = ''): HostTensors {
  const parts: readonly (readonly [RegExp, string])[] = [
    [/^(encoder)\.down_blocks\.(\d)\.resnets\.(\d)\./, '$1.down.$2.block.$3.'],
    [/^(encoder)\.down_blocks\.(\d)\.downsamplers\.0\./, '$1.down.$2.downsample.'],
    // Two resolutions, counted from the other end.
    [/^(decoder)\.up_blocks\.0\.resnets\.(\d)\./, '$1.up.1.block.$2.'],
    [/^(decoder)\.up_blocks\.1\.resnets\.(\d)\./, '$1.up.0.block.$2.'],
    [/^(decoder)\.up_blocks\.0\.upsamplers\.0\./, '$1.up.1.upsample.'],
    [/^(.+)\.mid_block\.resnets\.0\./, '$1.mid.block_1.'],
    [/^(.+)\.mid_block\.resnets\.1\./, '$1.mid.block_2.'],
    [/^(.+)\.mid_block\.attentions\.0\.group_norm\./, '$1.mid.attn_1.norm.'],
    [/^(.+)\.mid_block\.attentions\.0\.to_(q|k|v)\./, '$1.mid.attn_1.$2.'],
    [/^(.+)\.mid_block\.attentions\.0\.to_out\.0\./, '$1.mid.attn_1.proj_out.'],
    [/^(.+)\.conv_shortcut\./, '$1.nin_shortcut.'],
    [/^(.+)\.conv_norm_out\./, '$1.norm_out.'],
  ];
  return Object.fromEntries(
    Object.entries(weights).map(([name, { shape, data }]) => {
      const theirs = parts.reduce((done, [ours, to]) => done.replace(ours, to), name);
      const isAttention = /attn_1\.(q|k|v|proj_out)\.weight$/.test(theirs);
      return [prefix + theirs, { data, shape: isAttention ? [...shape, 1, 1] : shape }];
    }),
  );
}
