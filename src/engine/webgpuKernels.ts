// What does TensorFlow.js's WebGPU backend compute wrongly, roughly or never twice alike? Kernels that take the place.
import { tf } from './tf.js';

const backendName = 'webgpu';
type Call = Parameters<tf.KernelFunc>[0];

/** Replaces kernels of the WebGPU backend, once; call it when that is registered. */
export function mendWebgpu(): void {
  if (mended) return;
  mended = true;
  for (const name of ['BatchMatMul', '_FusedMatMul']) replace(name, withoutSplitting);
  replace('AddN', sumOfGroups);
  replace('Sin', ({ inputs }) => tf.tidy(() => sine(given(inputs, 'x'), 0)));
  replace('Cos', ({ inputs }) => tf.tidy(() => sine(given(inputs, 'x'), 1)));
  replace('Tanh', (call, tanh) => tf.tidy(() => nearZero(given(call.inputs, 'x'), tanh, call)));
  replace('UnsortedSegmentSum', ({ inputs, attrs }) =>
    tf.tidy(() => segmentSum(given(inputs, 'x'), given(inputs, 'segmentIds'), attrs?.['numSegments'])),
  );
}
let mended = false;

/** The backend's own numbers of its programs for products. */
const program = { oneGroupPerResult: 0, smallTiles: 2, largeTiles: 3 };
/** From here on the backend splits. */
const longProduct = 2000;

/**
 * Version 4.22 splits long products of few results between workgroups that add to them atomically: in an order that
 * changes from run to run, and wrongly where the second factor is transposed. Long ones take another program.
 */
function withoutSplitting(call: Call, product: Kernel): ReturnType<Kernel> {
  const [a, b] = [given(call.inputs, 'a').shape, given(call.inputs, 'b').shape];
  const [rows = 1, length = 1] = call.attrs?.['transposeA'] ? a.slice(-2).toReversed() : a.slice(-2);
  const columns = (call.attrs?.['transposeB'] ? b.at(-2) : b.at(-1)) ?? 1;
  if (length < longProduct) return product(call);
  const results = rows * columns;
  const { oneGroupPerResult, smallTiles, largeTiles } = program;
  const chosen = results <= 128 ? oneGroupPerResult : results <= 2 ** 13 ? smallTiles : largeTiles;
  const flag = 'WEBGPU_MATMUL_PROGRAM_TYPE';
  const before = tf.env().getNumber(flag);
  tf.env().set(flag, chosen);
  try {
    return product(call);
  } finally {
    tf.env().set(flag, before);
  }
}

/** A shader sees 8 buffers on the least of devices, and one is for the result; the backend gives it all terms at once. */
const termsAtOnce = 7;

function sumOfGroups(call: Call, addN: Kernel): ReturnType<Kernel> {
  const terms = Object.keys(call.inputs).map((name) => given(call.inputs, name));
  if (terms.length <= termsAtOnce) return addN(call);
  return tf.tidy(() => tf.addN([tf.addN(terms.slice(0, termsAtOnce)), ...terms.slice(termsAtOnce)]));
}

/**
 * The sine of x + quarters pi/2. WGSL promises 2^-11, and nothing outside [-pi, pi], where the embedding of the time
 * has most of its angles. So x is brought to within pi/4 of a multiple of pi/2, in the manner of Cody and Waite: that
 * is subtracted in parts short enough for exact products up to |x| = 12000, beyond which digits are lost.
 */
function sine(x: tf.Tensor, quarters: number): tf.Tensor {
  const q = tf.floor(tf.add(tf.mul(x, 2 / Math.PI), 0.5));
  const parts = [1.5703125, 4.837512969970703125e-4, 7.54978995489188e-8];
  const r = parts.reduce((rest: tf.Tensor, part) => tf.sub(rest, tf.mul(q, part)), x);
  const r2 = tf.square(r);
  // The series of Taylor; the next terms are below 3e-9.
  const sin = tf.mul(r, polynomial(r2, [1, -1 / 6, 1 / 120, -1 / 5040, 1 / 362880]));
  const cos = polynomial(r2, [1, -1 / 2, 1 / 24, -1 / 720, 1 / 40320, -1 / 3628800]);
  const turn = tf.add(q, quarters);
  const isOdd = tf.greater(remainder(turn, 2), 0.5);
  const sign = tf.sub(1, tf.mul(2, tf.cast(tf.greater(remainder(turn, 4), 1.5), 'float32')));
  return tf.mul(tf.where(isOdd, cos, sin), sign);
}

/** Of whole numbers, which have an exact quotient here as the divisor is a power of 2. */
function remainder(x: tf.Tensor, divisor: number): tf.Tensor {
  return tf.sub(x, tf.mul(tf.floor(tf.mul(x, 1 / divisor)), divisor));
}

/**
 * The backend's tanh is made of exponentials and loses the digits of small numbers, down to none: AdamW's correction
 * of its moments is such a small one.
 */
function nearZero(x: tf.Tensor, tanh: Kernel, call: Call): tf.Tensor {
  const [far] = [tanh(call)].flat();
  if (!far) throw new Error('webgpu: a kernel returned nothing');
  const series = tf.mul(x, polynomial(tf.square(x), [1, -1 / 3, 2 / 15, -17 / 315, 62 / 2835]));
  return tf.where(tf.less(tf.abs(x), 0.25), series, tf.engine().makeTensorFromTensorInfo(far));
}

/** Rows of x summed by their segment, always in the same order; the backend's kernel adds them as they come. */
function segmentSum(x: tf.Tensor, ids: tf.Tensor, segments: unknown): tf.Tensor {
  if (typeof segments !== 'number') throw new Error('webgpu: a segment sum lacks the number of segments');
  const rows = ids.size;
  const isOf = tf.oneHot(tf.reshape<tf.Rank.R1>(ids, [rows]), segments, 1, 0, 'float32');
  const sums = tf.matMul(isOf, tf.reshape(x, [rows, -1]), true, false);
  return tf.reshape(sums, [segments, ...x.shape.slice(ids.shape.length)]);
}

/** sum of coefficients[i] x^i */
function polynomial(x: tf.Tensor, coefficients: readonly number[]): tf.Tensor {
  const [highest = 0, ...lower] = coefficients.toReversed();
  return lower.reduce((sum: tf.Tensor, c) => tf.add(tf.mul(sum, x), c), tf.scalar(highest));
}

type Kernel = (call: Call) => tf.TensorInfo | tf.TensorInfo[];

function replace(
  name: string,
  kernel: (call: Call, original: Kernel) => tf.TensorInfo | tf.TensorInfo[],
): void {
  const config = tf.getKernel(name, backendName) as tf.KernelConfig | undefined;
  if (!config) throw new Error(`the WebGPU backend has no kernel ${name}`);
  tf.unregisterKernel(name, backendName);
  tf.registerKernel({ ...config, kernelFunc: (call) => kernel(call, config.kernelFunc) });
}

/** Kernels are called with tensors, whatever their types promise. */
function given(inputs: Call['inputs'], name: string): tf.Tensor {
  const input = inputs[name];
  if (!input) throw new Error(`webgpu: a kernel lacks its input ${name}`);
  return input as tf.Tensor;
}
