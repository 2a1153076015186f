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

/** In which numbers the layers of a frozen backbone are computed. */
export const frozenPrecisions = ['fp32', 'int8'] as const;
export type FrozenPrecision = (typeof frozenPrecisions)[number];

/**
 * The weight of a linear layer in signed 8-bit numbers: weight[o, i] = numbers[i, o] scales[o]. It serves as nothing
 * but the weight of a product, and only some engines have such products.
 */
export interface QuantisedTensor {
  /** [out, in], as models see it. */
  readonly shape: readonly [number, number];
  /** [in, out], -127..127 */
  readonly numbers: Int8Array;
  /** [out] */
  readonly scales: Float32Array;
}

/** A weight that stays as it is while a step runs. */
export type FrozenWeight = Weight | QuantisedTensor;
export type FrozenWeights = Readonly<Record<string, FrozenWeight>>;

/** Shapes by name: what a model asks of a checkpoint. */
export type Shapes = Readonly<Record<string, readonly number[]>>;

export function isStored(weight: FrozenWeight): weight is StoredTensor {
  return 'path' in weight;
}

export function isQuantised(weight: FrozenWeight): weight is QuantisedTensor {
  return 'scales' in weight;
}

export function sizeOf(shape: readonly number[]): number {
  return shape.reduce((product, n) => product * n, 1);
}

/** How many numbers a set of weights has. */
export function countOf(weights: Weights): number {
  return Object.values(weights).reduce((sum, { shape }) => sum + sizeOf(shape), 0);
}
