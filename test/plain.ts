// Layers in double precision and plain loops, which those of src/backbones/layers.ts are held against.
import type { HostTensors } from '../src/engine/tensors.js';
import { pick } from './fixtures.js';

/** W x + b of the layer of that name; without a bias where there is none. */
export function layer(weights: HostTensors, name: string, x: readonly number[]): number[] {
  const { data, shape } = pick(weights, `${name}.weight`);
  const bias = weights[`${name}.bias`]?.data;
  return Array.from({ length: shape[0] ?? NaN }, (_, i) =>
    x.reduce((sum, value, j) => sum + value * (data[i * x.length + j] ?? NaN), bias ? (bias[i] ?? NaN) : 0),
  );
}

export function normal(x: readonly number[]): number[] {
  const mean = x.reduce((sum, value) => sum + value, 0) / x.length;
  const variance = x.reduce((sum, value) => sum + (value - mean) ** 2, 0) / x.length;
  return x.map((value) => (value - mean) / Math.sqrt(variance + 1e-6));
}

export function gelu(x: number): number {
  return (x / 2) * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3)));
}

/** So many numbers that stand for a time: cosines, then sines. */
export function waves(time: number, count: number): number[] {
  const half = count / 2;
  const angles = Array.from({ length: half }, (_, j) => time * 10000 ** (-j / half));
  return [...angles.map(Math.cos), ...angles.map(Math.sin)];
}

/** Rows of so many numbers. */
export function rowsOf(data: ArrayLike<number>, width: number): number[][] {
  return Array.from({ length: data.length / width }, (_, i) =>
    Array.from({ length: width }, (_, j) => data[i * width + j] ?? NaN),
  );
}
