// Which parameters does an autoencoder have? Names and shapes, as diffusers save them.
import type { Shapes } from '../engine/tensors.js';
import type { VaeSpec } from './spec.js';

/** One after the other, each under the prefix it is given. */
type Parts = readonly (readonly [prefix: string, Shapes])[];

function joined(parts: Parts): Shapes {
  return Object.fromEntries(
    parts.flatMap(([prefix, shapes]) =>
      Object.entries(shapes).map(([name, shape]) => [`${prefix}.${name}`, shape] as const),
    ),
  );
}

const norm = (channels: number): Shapes => ({ weight: [channels], bias: [channels] });
const linear = (width: number): Shapes => ({ weight: [width, width], bias: [width] });
const convolution = (inputs: number, outputs: number, k = 3): Shapes => ({
  weight: [outputs, inputs, k, k],
  bias: [outputs],
});

function residual(inputs: number, outputs: number): Shapes {
  return joined([
    ['norm1', norm(inputs)],
    ['conv1', convolution(inputs, outputs)],
    ['norm2', norm(outputs)],
    ['conv2', convolution(outputs, outputs)],
    ...(inputs === outputs ? [] : [['conv_shortcut', convolution(inputs, outputs, 1)] as const]),
  ]);
}

function middle(channels: number, attention: boolean): Shapes {
  return joined([
    ['resnets.0', residual(channels, channels)],
    ...(attention
      ? ([
          ['attentions.0.group_norm', norm(channels)],
          ...['to_q', 'to_k', 'to_v', 'to_out.0'].map(
            (name) => [`attentions.0.${name}`, linear(channels)] as const,
          ),
        ] as const)
      : []),
    ['resnets.1', residual(channels, channels)],
  ]);
}

/** Residual blocks at one resolution, and what leads to the next one. */
function resolution(inputs: number, outputs: number, count: number, next: string | undefined): Shapes {
  const blocks = Array.from(
    { length: count },
    (_, j) => [`resnets.${j}`, residual(j === 0 ? inputs : outputs, outputs)] as const,
  );
  return joined([...blocks, ...(next === undefined ? [] : [[next, convolution(outputs, outputs)] as const])]);
}

/** @param channels of the resolutions, in the order in which they are run */
function resolutions(channels: readonly number[], count: number, name: string, next: string): Parts {
  return channels.map((outputs, i) => {
    const following = i + 1 < channels.length ? next : undefined;
    return [`${name}.${i}`, resolution(channels[i - 1] ?? outputs, outputs, count, following)] as const;
  });
}

/** Parameters that encoding reads. */
export function encoderShapes(spec: VaeSpec): Shapes {
  const { blockChannels, imageChannels, latentChannels, layersPerBlock, attention } = spec;
  const [finest = 1, coarsest = 1] = [blockChannels[0], blockChannels.at(-1)];
  const moments = 2 * latentChannels;
  return joined([
    ['encoder.conv_in', convolution(imageChannels, finest)],
    ...resolutions(blockChannels, layersPerBlock, 'encoder.down_blocks', 'downsamplers.0.conv'),
    ['encoder.mid_block', middle(coarsest, attention)],
    ['encoder.conv_norm_out', norm(coarsest)],
    ['encoder.conv_out', convolution(coarsest, moments)],
    ...(spec.afterEncoder ? [['quant_conv', convolution(moments, moments, 1)] as const] : []),
  ]);
}

/** Parameters that decoding reads. */
export function decoderShapes(spec: VaeSpec): Shapes {
  const { blockChannels, imageChannels, latentChannels, layersPerBlock, attention } = spec;
  const [finest = 1, coarsest = 1] = [blockChannels[0], blockChannels.at(-1)];
  return joined([
    ...(spec.beforeDecoder
      ? [['post_quant_conv', convolution(latentChannels, latentChannels, 1)] as const]
      : []),
    ['decoder.conv_in', convolution(latentChannels, coarsest)],
    ['decoder.mid_block', middle(coarsest, attention)],
    ...resolutions(blockChannels.toReversed(), layersPerBlock + 1, 'decoder.up_blocks', 'upsamplers.0.conv'),
    ['decoder.conv_norm_out', norm(finest)],
    ['decoder.conv_out', convolution(finest, imageChannels)],
  ]);
}

export function vaeShapes(spec: VaeSpec): Shapes {
  return { ...encoderShapes(spec), ...decoderShapes(spec) };
}
