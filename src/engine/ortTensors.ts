// How do the numbers of this process become tensors of onnxruntime, and back? Both see the same memory.
import * as ort from 'onnxruntime-node';
import type { Value } from '../trace/graph.js';
import { sizeOf, type HostTensor } from './tensors.js';

export function ortTensor({ data, shape }: HostTensor): ort.Tensor {
  return data instanceof Int32Array
    ? new ort.Tensor('int32', data, shape)
    : new ort.Tensor('float32', data, shape);
}

/** A tensor to be written to. */
export function emptyTensor({ dtype }: Pick<Value, 'dtype'>, shape: readonly number[]): ort.Tensor {
  const size = sizeOf(shape);
  if (dtype === 'float32') return ortTensor({ data: new Float32Array(size), shape });
  if (dtype === 'int32') return ortTensor({ data: new Int32Array(size), shape });
  throw new Error(`step: a result is of type ${dtype}, expected numbers`);
}

export function hostTensor(tensor: ort.Tensor): HostTensor {
  const { data } = tensor;
  if (!(data instanceof Float32Array || data instanceof Int32Array))
    throw new Error(`step: onnxruntime returned ${tensor.type}, expected numbers`);
  return { shape: tensor.dims, data };
}
