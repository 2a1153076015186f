// Kernels that work number by number.
import type { DType, Graph, Value } from '../graph.js';
import { broadcastShape, input, number, sameShape, type Kernel } from './kernel.js';

/** One ONNX operator of the same meaning. */
const unary =
  (op: string): Kernel =>
  (graph, inputs) => {
    const x = input(inputs, 'x');
    return graph.node(op, [x], x.shape);
  };

function isScalar(value: Value, x: number): boolean {
  const { source } = value;
  return source.kind === 'constant' && source.data.length === 1 && Number(source.data[0]) === x;
}

/** x * 1, x / 1, x + 0, x - 0: the x; gradients are full of them. */
function neutral(op: string, a: Value, b: Value, shape: readonly number[]): Value | undefined {
  const product = op === 'Mul' || op === 'Div';
  const sum = op === 'Add' || op === 'Sub';
  if (sameShape(a.shape, shape) && ((product && isScalar(b, 1)) || (sum && isScalar(b, 0)))) return a;
  if (sameShape(b.shape, shape) && ((op === 'Mul' && isScalar(a, 1)) || (op === 'Add' && isScalar(a, 0))))
    return b;
  return undefined;
}

/** Two operands that broadcast. Broadcast values are read at their source, so no ones([B, ...]) is ever filled. */
function combine(graph: Graph, op: string, left: Value, right: Value, dtype?: DType): Value {
  const shape = broadcastShape(left.shape, right.shape);
  const [a, b] = [left.broadcastOf ?? left, right.broadcastOf ?? right];
  const small = broadcastShape(a.shape, b.shape);
  const value = neutral(op, a, b, small) ?? graph.node(op, [a, b], small, {}, dtype ?? a.dtype);
  return sameShape(small, shape) ? value : graph.broadcast(value, shape);
}

const binary =
  (op: string, dtype?: DType): Kernel =>
  (graph, inputs) =>
    combine(graph, op, input(inputs, 'a'), input(inputs, 'b'), dtype);

const not = (graph: Graph, x: Value): Value => graph.node('Not', [x], x.shape);

const fill = (graph: Graph, x: number, shape: readonly number[], dtype: DType): Value =>
  graph.broadcast(
    dtype === 'float32' ? graph.float(x) : graph.constant(Int32Array.of(x), [], 'int32'),
    shape,
  );

export const elementwise: Readonly<Record<string, Kernel>> = {
  Add: binary('Add'),
  Sub: binary('Sub'),
  Multiply: binary('Mul'),
  RealDiv: binary('Div'),
  Pow: binary('Pow'),
  Maximum: binary('Max'),
  Minimum: binary('Min'),
  Greater: binary('Greater', 'bool'),
  GreaterEqual: binary('GreaterOrEqual', 'bool'),
  Less: binary('Less', 'bool'),
  LessEqual: binary('LessOrEqual', 'bool'),
  Equal: binary('Equal', 'bool'),
  LogicalAnd: binary('And', 'bool'),
  NotEqual: (graph, inputs) =>
    not(graph, combine(graph, 'Equal', input(inputs, 'a'), input(inputs, 'b'), 'bool')),
  LogicalNot: (graph, inputs) => not(graph, input(inputs, 'x')),
  SquaredDifference: (graph, inputs) => {
    const difference = combine(graph, 'Sub', input(inputs, 'a'), input(inputs, 'b'));
    return combine(graph, 'Mul', difference, difference);
  },
  AddN: (graph, inputs) => {
    const all = Object.values(inputs);
    return graph.node('Sum', all, all[0]?.shape ?? []);
  },
  Sqrt: unary('Sqrt'),
  Rsqrt: (graph, inputs) => {
    const x = input(inputs, 'x');
    return graph.node('Reciprocal', [graph.node('Sqrt', [x], x.shape)], x.shape);
  },
  Reciprocal: unary('Reciprocal'),
  Square: (graph, inputs) => {
    const x = input(inputs, 'x');
    return combine(graph, 'Mul', x, x);
  },
  Neg: unary('Neg'),
  Abs: unary('Abs'),
  Sign: unary('Sign'),
  Floor: unary('Floor'),
  Exp: unary('Exp'),
  Log: unary('Log'),
  Sin: unary('Sin'),
  Cos: unary('Cos'),
  Tanh: unary('Tanh'),
  Erf: unary('Erf'),
  Sigmoid: unary('Sigmoid'),
  Softplus: unary('Softplus'),
  Relu: unary('Relu'),
  /** 1 above zero, alpha elsewhere. */
  Step: (graph, inputs, attributes) => {
    const x = input(inputs, 'x');
    const above = combine(graph, 'Greater', x, graph.float(0), 'bool');
    const choices = [above, graph.float(1), graph.float(number(attributes, 'alpha'))];
    return graph.node('Where', choices, x.shape, {}, 'float32');
  },
  ClipByValue: (graph, inputs, attributes) => {
    const x = input(inputs, 'x');
    const [low, high] = [number(attributes, 'clipValueMin'), number(attributes, 'clipValueMax')];
    return graph.node('Clip', [x, graph.float(low), graph.float(high)], x.shape);
  },
  Select: (graph, inputs) => {
    const [condition, yes, no] = [input(inputs, 'condition'), input(inputs, 't'), input(inputs, 'e')];
    const shape = broadcastShape(condition.shape, broadcastShape(yes.shape, no.shape));
    return graph.node('Where', [condition, yes, no], shape, {}, yes.dtype);
  },
  ZerosLike: (graph, inputs) => {
    const x = input(inputs, 'x');
    return fill(graph, 0, x.shape, x.dtype);
  },
  OnesLike: (graph, inputs) => {
    const x = input(inputs, 'x');
    return fill(graph, 1, x.shape, x.dtype);
  },
};
