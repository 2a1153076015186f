// In which types are the numbers of these tensors, and how many are there?
import { sizeOf } from '../engine/tensors.js';
import { isStored, type Weights } from '../engine/tensors.js';
import type { TensorEntry } from '../checkpoints/stored.js';

export interface DtypeFacts {
  readonly dtype: string;
  readonly tensors: number;
  readonly numbers: number;
  readonly bytes: number;
}

/** By type, the one with most numbers first. */
export function dtypesOf(entries: readonly Omit<TensorEntry, 'name'>[]): readonly DtypeFacts[] {
  const byType = new Map<string, DtypeFacts>();
  for (const { dtype, shape, bytes } of entries) {
    const before = byType.get(dtype) ?? { dtype, tensors: 0, numbers: 0, bytes: 0 };
    byType.set(dtype, {
      dtype,
      tensors: before.tensors + 1,
      numbers: before.numbers + sizeOf(shape),
      bytes: before.bytes + bytes,
    });
  }
  return [...byType.values()].sort((a, b) => b.numbers - a.numbers);
}

/** Weights as their file describes them; those that were gathered in memory are 32-bit floats by now. */
export function entriesOf(weights: Weights): TensorEntry[] {
  return Object.entries(weights).map(([name, weight]) =>
    isStored(weight)
      ? { name, dtype: weight.dtype, shape: weight.shape, bytes: weight.bytes }
      : { name, dtype: 'F32', shape: weight.shape, bytes: weight.data.byteLength },
  );
}
