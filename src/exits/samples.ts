// How does part of a batch go on by itself? Some samples of a state, or of any inputs.
import type { State } from '../backbones/backbone.js';
import type { Tensors } from '../engine/engine.js';
import { tf } from '../engine/tf.js';

/** Samples `from` to `from + count - 1` of what all samples have their own row in. */
export function rowsOf<T extends tf.Tensor>(tensor: T, from: number, count: number): T {
  if (from === 0 && count === tensor.shape[0]) return tensor;
  const { rank } = tensor;
  const begin = [from, ...Array<number>(rank - 1).fill(0)];
  const size = [count, ...Array<number>(rank - 1).fill(-1)];
  return tf.slice<tf.Rank, T>(tensor, begin, size);
}

/** The same of several. @param inputs each [B, ...] */
export function rowsOfAll(inputs: Tensors, from: number, count: number): Tensors {
  return Object.fromEntries(
    Object.entries(inputs).map(([name, tensor]) => [name, rowsOf(tensor, from, count)]),
  );
}

/** A state as if those samples alone had been asked for. */
export function stateOfRows(state: State, from: number, count: number): State {
  const some = <T extends tf.Tensor>(tensor: T): T => rowsOf(tensor, from, count);
  const { hidden, condition, skips, asked, shared } = state;
  return {
    hidden: some(hidden),
    condition: some(condition),
    ...(skips && { skips: skips.map(some) }),
    ...(asked && { asked: { waves: some(asked.waves), labels: some(asked.labels) } }),
    ...(shared && {
      shared: { adaptive: some(shared.adaptive), caption: some(shared.caption), bias: some(shared.bias) },
    }),
  };
}
