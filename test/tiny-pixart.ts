// The tiny PixArt of test/fixtures/diffusers, its spec, weights and recorded inputs; and one to give random weights.
import type { PixartSpec, Query } from '../src/backbones/backbone.js';
import { pixartSpec, readPixartSpec } from '../src/backbones/pixartSpec.js';
import { tf } from '../src/engine/tf.js';
import type { HostTensors } from '../src/engine/tensors.js';
import { fixtureJson, fixturePath, fixtureTensors, pick } from './fixtures.js';

export interface TinyPixart {
  /** Captions are as long as the recorded ones. */
  readonly spec: PixartSpec;
  readonly weights: HostTensors;
  readonly io: HostTensors;
}

/** That of a folder of test/fixtures/diffusers. */
export function tinyPixart(folder: string): TinyPixart {
  const config = `diffusers/${folder}/config.json`;
  const io = fixtureTensors(`diffusers/${folder}/io.safetensors`);
  const [, captionTokens = 0] = pick(io, 'caption').shape;
  return {
    spec: { ...readPixartSpec(fixtureJson(config), fixturePath(config)), captionTokens },
    weights: fixtureTensors(`diffusers/${folder}/diffusion_pytorch_model.safetensors`),
    io,
  };
}

/** The recorded inputs as feeds. */
export function recordedFeeds({ io }: Pick<TinyPixart, 'io'>): Record<string, Float32Array> {
  const floats = (name: string): Float32Array => Float32Array.from(pick(io, name).data);
  return { x: floats('x'), t: floats('t'), caption: floats('caption'), captionMask: floats('caption_mask') };
}

/** The same as tensors. @param mask of the captions, flat; the recorded one unless given */
export function recordedQuery({ io }: Pick<TinyPixart, 'io'>, mask?: Float32Array): Query {
  const { x = [], t = [], caption = [], captionMask = [] } = recordedFeeds({ io });
  const shaped = (data: ArrayLike<number>, name: string): tf.Tensor =>
    tf.tensor(Float32Array.from(data), [...pick(io, name).shape]);
  return {
    x: shaped(x, 'x') as tf.Tensor4D,
    t: tf.tensor1d(t),
    prompt: {
      kind: 'caption',
      tokens: shaped(caption, 'caption') as tf.Tensor3D,
      mask: shaped(mask ?? captionMask, 'caption_mask') as tf.Tensor2D,
    },
  };
}

/** One without recorded weights, with learned variance: 8 x 8 inputs in 4 tokens, width 16, captions of 6 numbers a token. */
export function madePixart(depth: number, channels: number, captionTokens: number): PixartSpec {
  return pixartSpec({
    ...{ num_layers: depth, num_attention_heads: 2, attention_head_dim: 8, cross_attention_dim: 16 },
    ...{ in_channels: channels, out_channels: 2 * channels, sample_size: 8, patch_size: 4 },
    ...{ caption_channels: 6, caption_tokens: captionTokens, time_steps: 100 },
  });
}
