// How are counts and sizes written for a person?
import type { DtypeFacts } from '../../inspect/dtypes.js';

/** `675,129,632` */
export function whole(n: number): string {
  return n.toLocaleString('en');
}

/** `2.7 GB (2,700,518,528 bytes)` */
export function sized(bytes: number): string {
  const exact = `${whole(bytes)} bytes`;
  if (bytes < 1000) return exact;
  const unit = Math.min(3, Math.floor(Math.log10(bytes) / 3));
  return `${(bytes / 1000 ** unit).toPrecision(3)} ${['', 'kB', 'MB', 'GB'][unit]} (${exact})`;
}

/** `F32: 42 tensors, 21,340 numbers` of each type. */
export function typed(dtypes: readonly DtypeFacts[]): string {
  return dtypes
    .map(
      ({ dtype, tensors, numbers }) => `${dtype} (${counted(tensors, 'tensor')}, ${whole(numbers)} numbers)`,
    )
    .join(', ');
}

/** `1 tensor`, `2 tensors` */
export function counted(n: number, noun: string): string {
  return `${whole(n)} ${noun}${n === 1 ? '' : 's'}`;
}

/** Millions of multiply-adds, to four digits. */
export function millions(macs: number): string {
  return (macs / 1e6).toLocaleString('en', { maximumSignificantDigits: 4 });
}
