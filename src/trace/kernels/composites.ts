// Composites: kernels of our own that only this backend has, because the runtime does each in one operator.
// Model code (backbones/layers.ts) asks for them where they are registered and uses primitives elsewhere.
import { sizeOf } from '../../engine/tensors.js';
import type { Value } from '../graph.js';
import { input, number, type Kernel } from './kernel.js';

export const composites: Readonly<Record<string, Kernel>> = {
  /** x [..., D] -> [normalised x, inverse standard deviation [..., 1]]. */
  LayerNormFwd: (graph, inputs, attributes) => {
    const x = input(inputs, 'x');
    const width = x.shape.at(-1) ?? 1;
    const scale = graph.constant(new Float32Array(width).fill(1), [width], 'float32');
    const dtype = 'float32';
    const statistics = { shape: [...x.shape.slice(0, -1), 1], dtype } as const;
    const epsilon = { float: number(attributes, 'epsilon') };
    const [y, , inverse] = graph.emit(
      'LayerNormalization',
      [x, scale],
      [{ shape: x.shape, dtype }, statistics, statistics],
      { attributes: { axis: -1, epsilon } },
    );
    if (!y || !inverse) throw new Error('trace: LayerNormalization has three outputs');
    return [y, inverse];
  },
  /** x [B, C, H, W], scale and offset [C]: mean 0 and variance 1 over each of `groups` groups of channels. */
  GroupNorm: (graph, inputs, attributes) => {
    const x = input(inputs, 'x');
    const [batch = 1, channels = 1] = x.shape;
    const groups = number(attributes, 'groups');
    const together = graph.reshape(x, [batch, groups, sizeOf(x.shape) / batch / groups]);
    const all = (value: number): Value =>
      graph.constant(new Float32Array(groups).fill(value), [groups], 'float32');
    const normal = graph.node('InstanceNormalization', [together, all(1), all(0)], together.shape, {
      attributes: { epsilon: { float: number(attributes, 'epsilon') } },
    });
    const each = (name: string): Value => graph.reshape(input(inputs, name), [channels, 1, 1]);
    const scaled = graph.node('Mul', [graph.reshape(normal, x.shape), each('scale')], x.shape);
    return graph.node('Add', [scaled, each('offset')], x.shape);
  },
  GeluTanh: (graph, inputs) => {
    const x = input(inputs, 'x');
    return graph.node('Gelu', [x], x.shape, { attributes: { approximate: 'tanh' } });
  },
  /** q, k, v [B, N, D] -> [B, N, D]; D holds the heads one after the other; scale 1/sqrt(D / heads). */
  MultiHeadAttention: (graph, inputs, attributes) => {
    const [q, k, v] = [input(inputs, 'q'), input(inputs, 'k'), input(inputs, 'v')];
    const [batch = 1, queries = 1, width = 1] = q.shape;
    const keys = k.shape[1] ?? 1;
    return graph.node('MultiHeadAttention', [q, k, v], q.shape, {
      domain: 'com.microsoft',
      attributes: { num_heads: number(attributes, 'heads') },
      macs: 2 * batch * queries * keys * width,
    });
  },
};
