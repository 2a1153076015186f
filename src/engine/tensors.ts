// Tensors outside TensorFlow.js: in an array of this process, or lying in a file.

/** Row-major numbers with their shape. */
export interface HostTensor {
  readonly shape: readonly number[];
  readonly data: Float32Array | Int32Array;
}

export type HostTensors = Readonly<Record<string, HostTensor>>;

/** How floating-point numbers lie in a file. */
export type StoredFloat = 'F32' | 'F16' | 'BF16';

/** Row-major little-endian floats that lie in a file at a byte offset: an engine may map them, nothing is copied. */
export interface StoredTensor {
  readonly shape: readonly number[];
  readonly dtype: StoredFloat;
  readonly path: string;
  readonly offset: number;
  readonly bytes: number;
}

/** A weight, wherever it is. */
export type Weight = HostTensor | StoredTensor;
export type Weights = Readonly<Record<string, Weight>>;

/** Shapes by name: what a model asks of a checkpoint. */
export type Shapes = Readonly<Record<string, readonly number[]>>;

export function isStored(weight: Weight): weight is StoredTensor {
  return 'path' in weight;
}

export function sizeOf(shape: readonly number[]): number {
  return shape.reduce((product, n) => product * n, 1);
}

/** How many numbers a set of weights has. */
export function countOf(weights: Weights): number {
  return Object.values(weights).reduce((sum, { shape }) => sum + sizeOf(shape), 0);
}
