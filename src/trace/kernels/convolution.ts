// Convolutions. TensorFlow.js keeps channels last, ONNX keeps them second.
import { tf } from '../../engine/tf.js';
import { sizeOf } from '../../engine/tensors.js';
import { input, numbers, type Attributes, type Inputs, type Kernel } from './kernel.js';
import type { Graph, Value } from '../graph.js';

type Shape4 = [number, number, number, number];

const shape4 = ([a = 1, b = 1, c = 1, d = 1]: readonly number[]): Shape4 => [a, b, c, d];

/** One number for both axes, or one for each. */
function pair(attributes: Attributes, name: string): [number, number] {
  const [first = 1, second = first] = numbers(attributes, name);
  return [first, second];
}

type Padding = Parameters<typeof tf.backend_util.computeConv2DInfo>[4];

/** By a rule, by a number on all sides, or by its own number on each. */
function padOf({ pad }: Attributes): Padding {
  if (pad === 'same' || pad === 'valid' || typeof pad === 'number') return pad;
  if (!Array.isArray(pad))
    throw new Error(`trace: a convolution padded by ${JSON.stringify(pad)} is not recorded`);
  const [batch, height, width, channels] = pad.map((sides: unknown) => pair({ sides }, 'sides'));
  if (!batch || !height || !width || !channels)
    throw new Error('trace: a convolution has four dimensions to pad');
  return [batch, height, width, channels];
}

/** x [B, H, W, in], filter [h, w, in, out], bias [out] -> [B, H', W', out]. */
function convolve(graph: Graph, inputs: Inputs, attributes: Attributes): Value {
  if (attributes['dataFormat'] !== 'NHWC') throw new Error('trace: only channels-last is recorded');
  const [x, filter, bias] = [input(inputs, 'x'), input(inputs, 'filter'), inputs['bias']];
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
  const operands = [graph.transpose(x, [0, 3, 1, 2]), graph.transpose(filter, [3, 2, 0, 1])];
  const y = graph.node('Conv', bias ? [...operands, bias] : operands, [batch, channels, height, width], {
    attributes: { strides, dilations, pads: [top, left, bottom, right] },
    macs: sizeOf(outShape) * sizeOf(filter.shape.slice(0, 3)),
  });
  return graph.transpose(y, [0, 2, 3, 1]);
}

export const convolutions: Readonly<Record<string, Kernel>> = {
  Conv2D: convolve,
  FusedConv2D: (graph, inputs, attributes) => {
    if (attributes['activation'] !== 'linear') throw new Error('trace: a fused activation is not recorded');
    return convolve(graph, inputs, attributes);
  },
};
