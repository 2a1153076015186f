// Matrix products: the work that multiply-adds are counted from.
import { isQuantised, sizeOf } from '../../engine/tensors.js';
import type { Graph, Value } from '../graph.js';
import { broadcastShape, input, type Kernel } from './kernel.js';
import { quantisedProduct } from './quantised.js';

function swapLast(graph: Graph, x: Value): Value {
  const order = x.shape.map((_, i) => i);
  return graph.transpose(x, [...order.slice(0, -2), order.length - 1, order.length - 2]);
}

interface Transposed {
  readonly a: boolean;
  readonly b: boolean;
}

function matMul(graph: Graph, a: Value, b: Value, transposed: Transposed, bias?: Value): Value {
  const rows = a.shape.at(transposed.a ? -1 : -2) ?? 1;
  const inner = a.shape.at(transposed.a ? -2 : -1) ?? 1;
  const columns = b.shape.at(transposed.b ? -2 : -1) ?? 1;
  const shape = [...broadcastShape(a.shape.slice(0, -2), b.shape.slice(0, -2)), rows, columns];
  const macs = sizeOf(shape) * inner;
  const { source } = b;
  if (source.kind === 'weight' && isQuantised(source.weight)) {
    if (transposed.a || !transposed.b || a.shape.length !== 2)
      throw new Error(`trace: ${b.name} is in 8 bits, so it can be nothing but [out, in] of a linear layer`);
    return quantisedProduct(graph, a, { value: b, weight: source.weight }, macs, bias);
  }
  if (a.shape.length === 2 && b.shape.length === 2 && (transposed.a || transposed.b || bias)) {
    // One Gemm reads the public [out, in] weights where they lie and adds the bias on the way.
    const attributes = { transA: Number(transposed.a), transB: Number(transposed.b) };
    return graph.node('Gemm', bias ? [a, b, bias] : [a, b], shape, { attributes, macs });
  }
  const left = transposed.a ? swapLast(graph, a) : a;
  const right = transposed.b ? swapLast(graph, b) : b;
  const product = graph.node('MatMul', [left, right], shape, { macs });
  return bias ? graph.node('Add', [product, bias], shape) : product;
}

const flags = (attributes: Readonly<Record<string, unknown>>): Transposed => ({
  a: attributes['transposeA'] === true,
  b: attributes['transposeB'] === true,
});

export const products: Readonly<Record<string, Kernel>> = {
  BatchMatMul: (graph, inputs, attributes) =>
    matMul(graph, input(inputs, 'a'), input(inputs, 'b'), flags(attributes)),
  _FusedMatMul: (graph, inputs, attributes) => {
    if (attributes['activation'] !== 'linear') throw new Error('trace: a fused activation is not recorded');
    // TensorFlow.js sends matrices as [1, m, k]; back to rank 2, or the runtime copies every weight.
    const [a, b] = [input(inputs, 'a'), input(inputs, 'b')];
    const plain = a.shape.length === 3 && a.shape[0] === 1 && b.shape[0] === 1;
    const rank2 = (x: Value): Value => (plain ? graph.reshape(x, x.shape.slice(1)) : x);
    const y = matMul(graph, rank2(a), rank2(b), flags(attributes), inputs['bias']);
    return plain ? graph.reshape(y, [1, ...y.shape]) : y;
  },
};
