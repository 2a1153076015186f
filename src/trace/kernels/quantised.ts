// How is a linear layer with a weight in 8 bits computed? Every row of its input gets a scale of its own.
import type { QuantisedTensor } from '../../engine/tensors.js';
import type { Graph, Value } from '../graph.js';

/** Numbers of the input are unsigned, 1..255 around this zero: processors multiply unsigned by signed ten times faster. */
const zero = 128;
const levels = 127;
/** The scale of a row of zeros. */
const least = 1e-30;

/**
 * x W^T + bias with both sides rounded to 8 bits: x to 255 levels between plus and minus the largest of its row, so that
 * no row knows of the others in its batch.
 * @param x [rows, in]
 * @param macs multiply-adds, as those of the product in floats
 * @returns [rows, out], float32
 */
export function quantisedProduct(
  graph: Graph,
  x: Value,
  { value, weight }: { readonly value: Value; readonly weight: QuantisedTensor },
  macs: number,
  bias: Value | undefined,
): Value {
  const [rows = 0] = x.shape;
  const [out] = weight.shape;
  const one = [rows, 1];
  const lastAxis = graph.ints([-1]);
  const largest = graph.node('ReduceMax', [x, lastAxis], one);
  const smallest = graph.node('Neg', [graph.node('ReduceMin', [x, lastAxis], one)], one);
  const most = graph.node('Max', [largest, smallest, graph.float(least)], one);

  const step = graph.float(1 / levels);
  const middle = graph.constant(Uint8Array.of(zero), [], 'uint8');
  const between = graph.node('Div', [x, most], x.shape);
  const rounded = graph.node('QuantizeLinear', [between, step, middle], x.shape, {}, 'uint8');
  const scales = graph.constant(weight.scales, [out], 'float32');
  const inputs = [rounded, graph.numbersOf(value, weight), step, scales, middle];
  const options = { domain: 'com.microsoft', macs } as const;
  const product = graph.node('MatMulIntegerToFloat', inputs, [rows, out], options, 'float32');
  const scaled = graph.node('Mul', [product, most], [rows, out]);
  return bias ? graph.node('Add', [scaled, bias], [rows, out]) : scaled;
}
