// Are all weights finite? One NaN in a checkpoint makes every sample NaN, long after it was loaded.
import type { StoredFloat } from '../engine/tensors.js';
import { UserError } from '../errors.js';
import type { Piece } from './fingerprint.js';
import { bytesPer, widen } from './stored.js';

/** Numbers of a tensor that are NaN or infinite. */
export interface NotFinite {
  readonly name: string;
  readonly count: number;
  /** Flat index of the first, and what it is. */
  readonly first: number;
  readonly value: number;
}

export interface FiniteCheck {
  /** Takes the pieces of `fingerprintOf`. */
  readonly see: (piece: Piece) => void;
  /** What was seen, by tensor. */
  readonly found: () => readonly NotFinite[];
  /** @throws UserError naming the tensors that hold NaN or infinity, with first flat index and count */
  readonly require: (path: string) => void;
}

/** Exponent bits: where all of them are set the number is NaN or infinite. */
const exponents: Readonly<Record<StoredFloat, number>> = { F32: 0x7f800000, F16: 0x7c00, BF16: 0x7f80 };
const mostNamed = 5;

/** Collects what is not finite from all the pieces it is shown. */
export function finiteCheck(): FiniteCheck {
  const odd = new Map<string, Omit<NotFinite, 'name' | 'count'> & { count: number }>();
  const found = (): NotFinite[] => [...odd].map(([name, what]) => ({ name, ...what }));
  return {
    found,
    see({ name, dtype, first, bytes }) {
      const words = wordsOf(dtype, bytes);
      const exponent = exponents[dtype];
      for (let i = 0; i < words.length; i++) {
        if (((words[i] ?? 0) & exponent) !== exponent) continue;
        const known = odd.get(name);
        if (known) known.count++;
        else odd.set(name, { first: first + i, value: valueAt(dtype, bytes, i), count: 1 });
      }
    },
    require(path) {
      if (odd.size === 0) return;
      throw new NotFiniteError(path, found());
    },
  };
}

/** Weights that nothing can be computed with. */
export class NotFiniteError extends UserError {
  constructor(
    path: string,
    readonly notFinite: readonly NotFinite[],
  ) {
    super(
      `${path} has weights that are not finite numbers:\n${notFiniteLines(notFinite).join('\n')}\n` +
        'Its training diverged or the file is damaged. Take an earlier checkpoint, or fetch it again.',
    );
  }
}

/** The first tensors as indented lines, and how many there are. */
export function notFiniteLines(found: readonly NotFinite[]): string[] {
  const lines = found.map(
    ({ name, count, first, value }) => `  ${name}: ${count}, the first is ${value} at flat index ${first}`,
  );
  const more = lines.length > mostNamed ? [`  and ${lines.length - mostNamed} more tensors`] : [];
  return [...lines.slice(0, mostNamed), ...more];
}

function wordsOf(dtype: StoredFloat, bytes: Uint8Array): Uint32Array | Uint16Array {
  const { buffer, byteOffset, length } = bytes;
  return bytesPer[dtype] === 4
    ? new Uint32Array(buffer, byteOffset, length / 4)
    : new Uint16Array(buffer, byteOffset, length / 2);
}

function valueAt(dtype: StoredFloat, bytes: Uint8Array, i: number): number {
  const per = bytesPer[dtype];
  return widen(dtype, Uint8Array.from(bytes.subarray(i * per, (i + 1) * per)))[0] ?? NaN;
}
