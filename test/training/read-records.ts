// Reads TFRecord files for the tests, checksums included.
import { crc32c } from '../../src/training/tfrecord.js';

export function recordsOf(file: Uint8Array): Uint8Array[] {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const records: Uint8Array[] = [];
  for (let at = 0; at < file.length;) {
    const length = Number(view.getBigUint64(at, true));
    const data = file.subarray(at + 12, at + 12 + length);
    requireChecksum(file.subarray(at, at + 8), view.getUint32(at + 8, true));
    requireChecksum(data, view.getUint32(at + 12 + length, true));
    records.push(data);
    at += 16 + length;
  }
  return records;
}

/** Undoes the masking: minus the constant, rotated left by 15. */
function requireChecksum(bytes: Uint8Array, stored: number): void {
  const rotated = (stored - 0xa282ead8) >>> 0;
  const crc = ((rotated << 15) | (rotated >>> 17)) >>> 0;
  if (crc !== crc32c(bytes)) throw new Error(`checksum ${crc} of ${bytes.length} bytes is wrong`);
}
