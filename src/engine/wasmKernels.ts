// What does TensorFlow.js's WebAssembly backend compute wrongly, or not at all? Kernels that take the place.
import { tf } from './tf.js';

const backendName = 'wasm';

/** Replaces and adds kernels of the WebAssembly backend, once; call it when that is registered. */
export function mendWasm(): void {
  if (find('UnsortedSegmentSum')) return;
  const product = kernelOf('_FusedMatMul');
  const sum = kernelOf('Add');
  tf.unregisterKernel('_FusedMatMul', backendName);
  tf.registerKernel({ ...product, kernelFunc: (call) => biasedProduct(product, sum, call) });
  tf.registerKernel({ kernelName: 'UnsortedSegmentSum', backendName, kernelFunc: segmentSum });
}

type Call = Parameters<tf.KernelFunc>[0];

/**
 * Version 4.22 adds the last number of the bias to all rows but the first where a factor is transposed, as it is in
 * every linear layer here. So the bias is added by itself.
 */
function biasedProduct(product: tf.KernelConfig, sum: tf.KernelConfig, call: Call): tf.TensorInfo {
  const { inputs, attrs, backend } = call;
  const { bias, ...factors } = inputs;
  const transposed = attrs?.['transposeA'] === true || attrs?.['transposeB'] === true;
  if (!bias || !transposed) return one(product.kernelFunc(call));
  if (attrs?.['activation'] !== 'linear')
    throw new Error('wasm: an activation after a transposed product is not computed');
  const plain = one(product.kernelFunc({ inputs: factors, attrs, backend }));
  const biased = one(sum.kernelFunc({ inputs: { a: plain, b: bias }, attrs: {}, backend }));
  storage(backend).disposeData(plain.dataId);
  return biased;
}

/** Rows of x summed by their segment: the gradient of a table that rows were taken from. The backend has none. */
function segmentSum({ inputs, attrs, backend }: Call): tf.TensorInfo {
  const { x, segmentIds } = inputs;
  const segments = attrs?.['numSegments'];
  if (!x || !segmentIds || typeof segments !== 'number')
    throw new Error('wasm: a segment sum lacks an input');
  const { readSync, write } = storage(backend);
  const [values, ids] = [readSync(x.dataId), readSync(segmentIds.dataId)] as ArrayLike<number>[];
  const width = tf.util.sizeFromShape(x.shape.slice(segmentIds.shape.length));
  const total = new Float32Array(segments * width);
  for (let row = 0; row < (ids?.length ?? 0); row++) {
    const to = (ids?.[row] ?? NaN) * width;
    for (let i = 0; i < width; i++)
      total[to + i] = (total[to + i] ?? NaN) + (values?.[row * width + i] ?? NaN);
  }
  const shape = [segments, ...x.shape.slice(segmentIds.shape.length)];
  return { dataId: write(total, shape, 'float32'), shape, dtype: 'float32' };
}

function kernelOf(name: string): tf.KernelConfig {
  const kernel = find(name);
  if (!kernel) throw new Error(`the WebAssembly backend has no kernel ${name}`);
  return kernel;
}

/** Undefined where nothing is registered, though the library's types promise a kernel. */
function find(name: string): tf.KernelConfig | undefined {
  return tf.getKernel(name, backendName);
}

function one(result: tf.TensorInfo | tf.TensorInfo[]): tf.TensorInfo {
  const [first] = [result].flat();
  if (!first) throw new Error('wasm: a kernel returned nothing');
  return first;
}

/** The part of a backend that holds numbers; kernels are given it without a type. */
function storage(backend: unknown): Pick<tf.KernelBackend, 'disposeData' | 'readSync' | 'write'> {
  const held = backend as tf.KernelBackend;
  return {
    disposeData: (id) => held.disposeData(id),
    readSync: (id) => held.readSync(id),
    write: (values, shape, dtype) => held.write(values, shape, dtype),
  };
}
