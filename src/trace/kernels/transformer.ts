// Composites of transformers without adaptive norms, which the runtime does in one operator each: see composites.ts.
import { input, number, type Kernel } from './kernel.js';

export const transformer: Readonly<Record<string, Kernel>> = {
  /** x [..., D], scale and offset [D] -> [y, mean [..., 1], inverse standard deviation [..., 1]]. */
  LayerNormAffine: (graph, inputs, attributes) => {
    const x = input(inputs, 'x');
    const dtype = 'float32';
    const statistics = { shape: [...x.shape.slice(0, -1), 1], dtype } as const;
    const operands = [x, input(inputs, 'scale'), input(inputs, 'offset')];
    return graph.emit('LayerNormalization', operands, [{ shape: x.shape, dtype }, statistics, statistics], {
      attributes: { axis: -1, epsilon: { float: number(attributes, 'epsilon') } },
    });
  },
  Gelu: (graph, inputs) => {
    const x = input(inputs, 'x');
    return graph.node('Gelu', [x], x.shape, { attributes: { approximate: 'none' } });
  },
};
