// One case per kernel of the tracing backend: a function of tensors that uses it, in the forward pass or the gradient.
import type { InputSpec } from '../../src/engine/engine.js';
import { tf } from '../../src/engine/tf.js';

type T = tf.Tensor;
const B = 'batch' as const;

export interface Case {
  readonly kernel: string;
  readonly inputs: Readonly<Record<string, InputSpec['shape']>>;
  /** Inputs are standard normal; `positive` ones are moved to 0.5 and above. */
  readonly positive?: true;
  readonly f: (inputs: Record<string, T>) => T;
  /** Inputs the gradient is taken of; all unless said. */
  readonly gradientOf?: readonly string[];
  /** Not differentiable, or the reference has no gradient for it. */
  readonly forwardOnly?: true;
}

const run = (kernel: string, inputs: Record<string, T>, attributes: Record<string, number>): T[] => {
  const made: unknown = tf.engine().runKernel(kernel, inputs, attributes);
  return (Array.isArray(made) ? made : [made]) as T[];
};
const has = (kernel: string): boolean => tf.getKernel(kernel, tf.getBackend()) !== undefined;

const unary = (
  kernel: string,
  f: (x: T) => T,
  options: Pick<Case, 'positive' | 'forwardOnly'> = {},
): Case => ({
  kernel,
  inputs: { x: [B, 3] },
  f: ({ x }) => f(x!),
  ...options,
});
const binary = (
  kernel: string,
  f: (a: T, b: T) => T,
  options: Pick<Case, 'positive' | 'forwardOnly'> = {},
): Case => ({ kernel, inputs: { a: [B, 4, 3], b: [B, 1, 3] }, f: ({ a, b }) => f(a!, b!), ...options });
/** TensorFlow.js has no gradient of these where the operands broadcast. */
const alike = (kernel: string, f: (a: T, b: T) => T): Case => ({
  kernel,
  inputs: { a: [B, 3], b: [B, 3] },
  f: ({ a, b }) => f(a!, b!),
});
const test = { forwardOnly: true } as const;
const positive = { positive: true } as const;
const float = (x: T): T => tf.cast(x, 'float32');

export const cases: readonly Case[] = [
  binary('Add', (a, b) => tf.add(a, b)),
  binary('Sub', (a, b) => tf.sub(a, b)),
  binary('Multiply', (a, b) => tf.mul(a, b)),
  binary('RealDiv', (a, b) => tf.div(a, b), positive),
  binary('Pow', (a, b) => tf.pow(a, b), positive),
  alike('Maximum', (a, b) => tf.maximum(a, b)),
  alike('Minimum', (a, b) => tf.minimum(a, b)),
  binary('Greater', (a, b) => float(tf.greater(a, b)), test),
  binary('GreaterEqual', (a, b) => float(tf.greaterEqual(a, b)), test),
  binary('Less', (a, b) => float(tf.less(a, b)), test),
  binary('LessEqual', (a, b) => float(tf.lessEqual(a, b)), test),
  binary('Equal', (a, b) => float(tf.equal(tf.floor(a), tf.floor(b))), test),
  binary('NotEqual', (a, b) => float(tf.notEqual(tf.floor(a), tf.floor(b))), test),
  binary('LogicalAnd', (a, b) => float(tf.logicalAnd(tf.greater(a, 0), tf.greater(b, 0))), test),
  unary('LogicalNot', (x) => float(tf.logicalNot(tf.greater(x, 0))), test),
  alike('SquaredDifference', (a, b) => tf.squaredDifference(a, b)),
  {
    kernel: 'Select',
    inputs: { a: [B, 3], b: [B, 3], c: [B, 3] },
    gradientOf: ['a', 'b'],
    f: ({ a, b, c }) => tf.where(tf.greater(c!, 0), a!, b!),
  },
  { kernel: 'AddN', inputs: { a: [B, 3], b: [B, 3] }, f: ({ a, b }) => tf.addN([a!, b!, a!]) },
  unary('Sqrt', (x) => tf.sqrt(x), positive),
  unary('Rsqrt', (x) => tf.rsqrt(x), positive),
  unary('Reciprocal', (x) => tf.reciprocal(x), positive),
  unary('Square', (x) => tf.square(x)),
  unary('Neg', (x) => tf.neg(x)),
  unary('Abs', (x) => tf.abs(x)),
  unary('Sign', (x) => tf.sign(x), test),
  unary('Floor', (x) => tf.floor(x), test),
  unary('Exp', (x) => tf.exp(x)),
  unary('Log', (x) => tf.log(x), positive),
  unary('Sin', (x) => tf.sin(x)),
  unary('Cos', (x) => tf.cos(x)),
  unary('Tanh', (x) => tf.tanh(x)),
  unary('Erf', (x) => tf.erf(x)),
  unary('Sigmoid', (x) => tf.sigmoid(x)),
  unary('Softplus', (x) => tf.softplus(x)),
  unary('Relu', (x) => tf.relu(x)),
  unary('Step', (x) => tf.step(x), test),
  unary('ClipByValue', (x) => tf.clipByValue(x, -0.5, 0.5)),
  unary('ZerosLike', (x) => tf.add(x, tf.zerosLike(x))),
  unary('OnesLike', (x) => tf.mul(tf.add(x, 2), tf.sub(tf.onesLike(x), 3))),
  unary('Identity', (x) => tf.clone(x)),
  unary('Cast', (x) => float(tf.cast(tf.mul(x, 10), 'int32')), test),
  unary('Reshape', (x) => tf.mul(tf.reshape(tf.reshape(x, [-1]), [-1, 3, 1]), [[[1, 2]]])),
  unary('ExpandDims', (x) => tf.mul(tf.expandDims(x, 1), [[[2], [3]]])),
  { kernel: 'Transpose', inputs: { x: [B, 2, 3] }, f: ({ x }) => tf.transpose(x!, [2, 0, 1]) },
  {
    kernel: 'SplitV',
    inputs: { x: [B, 7] },
    f: ({ x }) => {
      const [a, b, c] = tf.split(x!, [2, 2, 3], 1) as [T, T, T];
      return tf.concat([tf.mul(a, b), c], 1);
    },
  },
  {
    kernel: 'Unpack',
    inputs: { x: [B, 3, 2] },
    f: ({ x }) => tf.unstack(x!, 1).reduce((sum, part, i) => tf.add(sum, tf.mul(part, i + 1))),
  },
  { kernel: 'Pack', inputs: { a: [B, 3], b: [B, 3] }, f: ({ a, b }) => tf.stack([a!, b!, a!], 1) },
  { kernel: 'Concat', inputs: { a: [B, 3], b: [B, 2] }, f: ({ a, b }) => tf.concat([a!, b!], 1) },
  { kernel: 'Slice', inputs: { x: [B, 5, 2] }, f: ({ x }) => tf.slice(x!, [0, 1, 0], [-1, 3, -1]) },
  {
    kernel: 'PadV2',
    inputs: { x: [B, 2, 2] },
    f: ({ x }) =>
      tf.pad(x!, [
        [0, 0],
        [1, 2],
        [0, 1],
      ]),
  },
  {
    kernel: 'GatherV2',
    inputs: { x: [B, 5] },
    f: ({ x }) => tf.gather(x!, tf.tensor1d([4, 0, 4], 'int32'), 1),
  },
  {
    kernel: 'UnsortedSegmentSum',
    inputs: { table: [6, 3], x: [B] },
    gradientOf: ['table'],
    f: ({ table, x }) => tf.gather(table!, tf.cast(tf.clipByValue(tf.add(tf.mul(x!, 2), 3), 0, 5), 'int32')),
  },
  { kernel: 'Tile', inputs: { x: [B, 1, 3] }, f: ({ x }) => tf.tile(x!, [1, 4, 1]) },
  { kernel: 'Range', inputs: { x: [B, 5] }, f: ({ x }) => tf.mul(x!, tf.range(1, 11, 2, 'float32')) },
  { kernel: 'Fill', inputs: { x: [B, 5] }, f: ({ x }) => tf.mul(x!, tf.fill([x!.shape[0], 5], 3)) },
  {
    kernel: 'BatchMatMul',
    inputs: { a: [B, 4, 3], b: [B, 5, 3], c: [3, 2] },
    f: ({ a, b, c }) =>
      tf.add(tf.sum(tf.matMul(a!, b!, false, true), 2), tf.sum(tf.matMul(tf.reshape(a!, [-1, 3]), c!))),
  },
  {
    kernel: '_FusedMatMul',
    inputs: { x: [B, 3], w: [5, 3], bias: [5] },
    f: ({ x, w, bias }) =>
      tf.fused.matMul({
        a: x as tf.Tensor2D,
        b: w as tf.Tensor2D,
        transposeB: true,
        bias: bias!,
      }),
  },
  unary('Sum', (x) => tf.add(tf.sum(x, 1, true), tf.sum(x))),
  unary('Mean', (x) => tf.add(tf.mean(x, 1, true), tf.mean(tf.square(x)))),
  unary('Max', (x) => tf.max(x, 1)),
  unary('Min', (x) => tf.min(x, 1)),
  unary('Prod', (x) => tf.prod(x, 1), test),
  unary('ArgMax', (x) => float(tf.argMax(x, 1)), test),
  unary('Softmax', (x) => tf.softmax(x)),
  {
    kernel: 'LayerNormFwd',
    inputs: { x: [B, 4, 6] },
    forwardOnly: true,
    f: ({ x }) => {
      if (has('LayerNormFwd')) return tf.concat(run('LayerNormFwd', { x: x! }, { epsilon: 1e-6 }), 2);
      const { mean, variance } = tf.moments(x!, -1, true);
      const inverse = tf.rsqrt(tf.add(variance, 1e-6));
      return tf.concat([tf.mul(tf.sub(x!, mean), inverse), inverse], 2);
    },
  },
  {
    kernel: 'GeluTanh',
    inputs: { x: [B, 6] },
    forwardOnly: true,
    f: ({ x }) => {
      if (has('GeluTanh')) return run('GeluTanh', { x: x! }, {})[0]!;
      const inner = tf.mul(Math.sqrt(2 / Math.PI), tf.add(x!, tf.mul(0.044715, tf.pow(x!, 3))));
      return tf.mul(tf.mul(0.5, x!), tf.add(1, tf.tanh(inner)));
    },
  },
  {
    kernel: 'LayerNormAffine',
    inputs: { x: [B, 4, 6], scale: [6], offset: [6] },
    forwardOnly: true,
    f: ({ x, scale, offset }) => {
      if (has('LayerNormAffine'))
        return tf.concat(
          run('LayerNormAffine', { x: x!, scale: scale!, offset: offset! }, { epsilon: 1e-5 }),
          2,
        );
      const { mean, variance } = tf.moments(x!, -1, true);
      const inverse = tf.rsqrt(tf.add(variance, 1e-5));
      const normal = tf.mul(tf.sub(x!, mean), inverse);
      return tf.concat([tf.add(tf.mul(normal, scale!), offset!), mean, inverse], 2);
    },
  },
  {
    kernel: 'Gelu',
    inputs: { x: [B, 6] },
    forwardOnly: true,
    f: ({ x }) => {
      if (has('Gelu')) return run('Gelu', { x: x! }, {})[0]!;
      return tf.mul(tf.mul(0.5, x!), tf.add(1, tf.erf(tf.div(x!, Math.SQRT2))));
    },
  },
  {
    kernel: 'Conv2D',
    inputs: { x: [B, 5, 6, 2], same: [3, 3, 2, 4], half: [3, 2, 4, 3] },
    forwardOnly: true,
    f: ({ x, same, half }) => {
      const whole = tf.conv2d(x as tf.Tensor4D, same as tf.Tensor4D, 1, 'same');
      const strided = tf.conv2d(whole, half as tf.Tensor4D, [2, 1], 'same');
      return tf.conv2d(strided, tf.ones([2, 2, 3, 1]), 1, 'valid', 'NHWC', [1, 2]);
    },
  },
  {
    kernel: 'FusedConv2D',
    inputs: { x: [B, 4, 6, 2], kernel: [3, 3, 2, 3], bias: [3], half: [3, 3, 3, 2] },
    forwardOnly: true,
    f: ({ x, kernel, bias, half }) => {
      const [filter, strided] = [kernel as tf.Tensor4D, half as tf.Tensor4D];
      const whole = tf.fused.conv2d({ x: x as tf.Tensor4D, filter, bias: bias!, strides: 1, pad: 'same' });
      const pad: Parameters<typeof tf.conv2d>[3] = [[0, 0], [0, 1], [2, 1], [0, 0]]; // prettier-ignore
      return tf.conv2d(whole, strided, 2, pad);
    },
  },
  {
    kernel: 'ResizeNearestNeighbor',
    inputs: { x: [B, 2, 3, 4] },
    forwardOnly: true,
    f: ({ x }) => tf.image.resizeNearestNeighbor(x as tf.Tensor4D, [4, 9]),
  },
  {
    kernel: 'GroupNorm',
    inputs: { x: [B, 6, 3, 2], scale: [6], offset: [6] },
    forwardOnly: true,
    f: ({ x, scale, offset }) => {
      if (has('GroupNorm'))
        return run('GroupNorm', { x: x!, scale: scale!, offset: offset! }, { groups: 3, epsilon: 1e-6 })[0]!;
      const { mean, variance } = tf.moments(tf.reshape(x!, [-1, 3, 12]), -1, true);
      const normal = tf.div(tf.sub(tf.reshape(x!, [-1, 3, 12]), mean), tf.sqrt(tf.add(variance, 1e-6)));
      const each = (v: T): T => tf.reshape(v, [6, 1, 1]);
      return tf.add(tf.mul(tf.reshape(normal, [-1, 6, 3, 2]), each(scale!)), each(offset!));
    },
  },
  {
    kernel: 'MultiHeadAttention',
    inputs: { q: [B, 5, 6], k: [B, 5, 6], v: [B, 5, 6] },
    forwardOnly: true,
    f: ({ q, k, v }) => {
      if (has('MultiHeadAttention'))
        return run('MultiHeadAttention', { q: q!, k: k!, v: v! }, { heads: 2 })[0]!;
      const heads = (x: T): T => tf.transpose(tf.reshape(x, [-1, 5, 2, 3]), [0, 2, 1, 3]);
      const weights = tf.softmax(tf.mul(tf.matMul(heads(q!), heads(k!), false, true), 1 / Math.sqrt(3)));
      return tf.reshape(tf.transpose(tf.matMul(weights, heads(v!)), [0, 2, 1, 3]), [-1, 5, 6]);
    },
  },
];
