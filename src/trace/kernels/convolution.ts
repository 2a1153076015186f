// Convolutions. TensorFlow.js keeps channels last, ONNX keeps them second.
import { tf } from '../../engine/tf.js';
import { sizeOf } from '../../engine/tensors.js';
import type { Attributes, Kernel } from './kernel.js';
import { input, numbers } from './kernel.js';
import { transpose } from './shapes.js';

type Shape4 = [number, number, number, number];

const shape4 = ([a = 1, b = 1, c = 1, d = 1]: readonly number[]): Shape4 => [a, b, c, d];

/** One number for both axes, or one for each. */
function pair(attributes: Attributes, name: string): [number, number] {
  const [first = 1, second = first] = numbers(attributes, name);
  return [first, second];
}

function padOf({ pad }: Attributes): 'same' | 'valid' | number {
  if (pad === 'same' || pad === 'valid' || typeof pad === 'number') return pad;
  throw new Error(`trace: a convolution padded by ${JSON.stringify(pad)} is not recorded`);
}

export const convolutions: Readonly<Record<string, Kernel>> = {
  /** x [B, H, W, in], filter [h, w, in, out] -> [B, H', W', out]. */
  Conv2D: (graph, inputs, attributes) => {
    if (attributes['dataFormat'] !== 'NHWC') throw new Error('trace: only channels-last is recorded');
    const [x, filter] = [input(inputs, 'x'), input(inputs, 'filter')];
    const [strides, dilations] = [pair(attributes, 'strides'), pair(attributes, 'dilations')];
    const { outShape, padInfo } = tf.backend_util.computeConv2DInfo(
      shape4(x.shape),
      shape4(filter.shape),
      strides,
      dilations,
      padOf(attributes),
    );
    const { top, left, bottom, right } = padInfo;
    const [batch = 1, height = 1, width = 1, channels = 1] = outShape;
    const operands = [transpose(graph, x, [0, 3, 1, 2]), transpose(graph, filter, [3, 2, 0, 1])];
    const y = graph.node('Conv', operands, [batch, channels, height, width], {
      attributes: { strides, dilations, pads: [top, left, bottom, right] },
      macs: sizeOf(outShape) * sizeOf(filter.shape.slice(0, 3)),
    });
    return transpose(graph, y, [0, 2, 3, 1]);
  },
};
