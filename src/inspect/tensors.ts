// Which tensors does a file hold that is nothing the project knows?
import { fingerprintOf } from '../checkpoints/fingerprint.js';
import { finiteCheck, type NotFinite } from '../checkpoints/finite.js';
import { grouped } from '../checkpoints/names.js';
import type { TensorEntry } from '../checkpoints/stored.js';
import { sizeOf, type Weights } from '../engine/tensors.js';
import { bytesAt } from './bytes.js';
import { dtypesOf, type DtypeFacts } from './dtypes.js';

/** Tensors that are alike but for the numbers in their names. */
export interface TensorGroup {
  /** `blocks.{0-27}.attn.qkv.weight` */
  readonly name: string;
  readonly count: number;
  readonly dtype: string;
  /** Of each. */
  readonly shape: readonly number[];
}

export interface TensorsFacts {
  readonly kind: 'tensors';
  readonly path: string;
  readonly bytes: number;
  readonly format: 'safetensors' | 'torch';
  /** Why it is taken for nothing more. */
  readonly reason: string;
  readonly numbers: number;
  readonly dtypes: readonly DtypeFacts[];
  readonly groups: readonly TensorGroup[];
  /** Of all that can be weights. */
  readonly fingerprint: string;
  readonly notFinite: readonly NotFinite[];
  readonly metadata: Readonly<Record<string, string>>;
}

export interface OpenedTensors {
  readonly tensors: Weights;
  readonly entries: readonly TensorEntry[];
  readonly metadata: Readonly<Record<string, string>>;
}

export async function tensorsFacts(
  path: string,
  format: TensorsFacts['format'],
  reason: string,
  { tensors, entries, metadata }: OpenedTensors,
): Promise<TensorsFacts> {
  const finite = finiteCheck();
  const fingerprint = await fingerprintOf(tensors, finite.see);
  return {
    kind: 'tensors',
    path,
    bytes: await bytesAt(path),
    ...{ format, reason },
    numbers: entries.reduce((sum, { shape }) => sum + sizeOf(shape), 0),
    dtypes: dtypesOf(entries),
    groups: groupsOf(entries),
    fingerprint,
    notFinite: finite.found(),
    metadata,
  };
}

function groupsOf(entries: readonly TensorEntry[]): TensorGroup[] {
  const alike = ({ dtype, shape }: TensorEntry): string => `${dtype} ${shape.join()}`;
  return grouped(entries, ({ name }) => name, alike).map(({ label, items }) => {
    const [{ dtype, shape }] = items;
    return { name: label, count: items.length, dtype, shape };
  });
}
