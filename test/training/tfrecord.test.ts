import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { crc32c, tfRecord } from '../../src/training/tfrecord.js';
import { recordsOf } from './read-records.js';

const ascii = (text: string): Uint8Array => new TextEncoder().encode(text);

describe('crc32c', () => {
  it('gives the check value of the catalogue', () => {
    expect(crc32c(ascii('123456789'))).toBe(0xe3069283);
  });
  it('gives the vectors of RFC 3720', () => {
    expect(crc32c(new Uint8Array(32))).toBe(0x8a9136aa);
    expect(crc32c(new Uint8Array(32).fill(255))).toBe(0x62a8ab43);
    expect(crc32c(Uint8Array.from({ length: 32 }, (_, i) => i))).toBe(0x46dd794e);
    expect(crc32c(new Uint8Array())).toBe(0);
  });
});

describe('tfRecord', () => {
  it('comes back as it went in, record after record', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array()), (datas) => {
        const file = Buffer.concat(datas.map(tfRecord));
        expect(recordsOf(file).map((data) => [...data])).toEqual(datas.map((data) => [...data]));
      }),
    );
  });
});
