// Kernels that sum up along axes.
import { axis, input, numbers, type Kernel } from './kernel.js';

const reduce =
  (op: string, axesName = 'axis'): Kernel =>
  (graph, inputs, attributes) => {
    const x = input(inputs, 'x');
    const rank = x.shape.length;
    const given = attributes[axesName];
    const axes =
      given === null || given === undefined
        ? x.shape.map((_, i) => i)
        : numbers(attributes, axesName).map((a) => (a < 0 ? a + rank : a));
    if (axes.length === 0) return x;
    const keep = attributes['keepDims'] === true;
    const shape = x.shape.flatMap((d, i) => (axes.includes(i) ? (keep ? [1] : []) : [d]));
    return graph.node(op, [x, graph.ints(axes)], shape, { attributes: { keepdims: Number(keep) } });
  };

const argument =
  (op: string): Kernel =>
  (graph, inputs, attributes) => {
    const x = input(inputs, 'x');
    const at = axis(attributes, 'axis', x.shape.length);
    const options = { attributes: { axis: at, keepdims: 0 } };
    return graph.cast(graph.node(op, [x], x.shape.toSpliced(at, 1), options, 'int64'), 'int32');
  };

export const reductions: Readonly<Record<string, Kernel>> = {
  Sum: reduce('ReduceSum'),
  Mean: reduce('ReduceMean'),
  Max: reduce('ReduceMax', 'reductionIndices'),
  Min: reduce('ReduceMin'),
  Prod: reduce('ReduceProd'),
  ArgMax: argument('ArgMax'),
  Softmax: (graph, inputs, attributes) => {
    const x = input(inputs, 'logits');
    return graph.node('Softmax', [x], x.shape, {
      attributes: { axis: axis(attributes, 'dim', x.shape.length) },
    });
  },
};
