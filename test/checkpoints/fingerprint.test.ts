import { createHash } from 'node:crypto';
import { copyFileSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { fingerprintOf, type Piece } from '../../src/checkpoints/fingerprint.js';
import { finiteCheck } from '../../src/checkpoints/finite.js';
import { narrowHalf } from '../../src/checkpoints/half.js';
import { openSafetensors, writeSafetensors } from '../../src/checkpoints/safetensors.js';
import { openTorch } from '../../src/checkpoints/torch.js';
import { UserError } from '../../src/errors.js';
import type { HostTensors, StoredFloat, StoredTensor } from '../../src/engine/tensors.js';
import { fixturePath, fixtureTensors } from '../fixtures.js';
import { scratch } from '../scratch.js';

const { path } = scratch();
const small: HostTensors = {
  b: { shape: [2], data: Float32Array.of(1, -0.5) },
  a: { shape: [], data: Float32Array.of(3) },
};
const ofFile = async (file: string) => fingerprintOf((await openSafetensors(file)).tensors);

describe('fingerprintOf', () => {
  it('is the SHA-256 of names in order, types, shapes and bytes', async () => {
    const expected = createHash('sha256')
      .update('["a","F32",[]]\n')
      .update(Uint8Array.of(0, 0, 0x40, 0x40))
      .update('["b","F32",[2]]\n')
      .update(Uint8Array.of(0, 0, 0x80, 0x3f, 0, 0, 0, 0xbf))
      .digest('hex');
    expect(await fingerprintOf(small)).toBe(expected);
  });
  it('is the same in memory, in the file written from it, and in a copy of that', async () => {
    const weights = fixtureTensors('bad/control.safetensors');
    await writeSafetensors(path('own'), weights);
    copyFileSync(path('own'), path('copy'));
    const expected = await fingerprintOf(weights);
    expect(await ofFile(path('own'))).toBe(expected);
    expect(await ofFile(path('copy'))).toBe(expected);
    expect(await ofFile(fixturePath('bad/control.safetensors'))).toBe(expected);
    expect(await fingerprintOf((await openTorch(fixturePath('bad/control.pt'), 'auto')).tensors)).toBe(
      expected,
    );
  });
  it('of half precision is the same in a copy, and not that of single precision', async () => {
    await writeSafetensors(path('half'), small, { dtype: 'F16' });
    copyFileSync(path('half'), path('half-copy'));
    expect(await ofFile(path('half-copy'))).toBe(await ofFile(path('half')));
    expect(await ofFile(path('half'))).not.toBe(await fingerprintOf(small));
  });
  it.each<[string, HostTensors]>([
    ['a number', { ...small, a: { shape: [], data: Float32Array.of(3.0000002) } }],
    ['the sign of zero', { ...small, a: { shape: [], data: Float32Array.of(-0) } }],
    ['a shape', { ...small, b: { shape: [2, 1], data: Float32Array.of(1, -0.5) } }],
    ['a name', { b: small['b']!, c: small['a']! }],
    ['how many there are', { b: small['b']! }],
  ])('depends on %s', async (_, other) => {
    expect(await fingerprintOf(other)).not.toBe(await fingerprintOf(small));
  });
  it('does not depend on the order of the record', async () => {
    expect(await fingerprintOf({ a: small['a']!, b: small['b']! })).toBe(await fingerprintOf(small));
  });
  it('shows a large tensor in pieces that follow each other', async () => {
    const length = 2 ** 20 + 2 ** 19 + 3;
    await writeSafetensors(path('large'), { w: { shape: [length], data: new Float32Array(length).fill(1) } });
    const seen: Pick<Piece, 'name' | 'first'>[] = [];
    const { tensors } = await openSafetensors(path('large'));
    await fingerprintOf(tensors, ({ name, first }) => seen.push({ name, first }));
    expect(seen).toEqual([
      { name: 'w', first: 0 },
      { name: 'w', first: 2 ** 20 },
    ]);
  });
  it('refuses integers in memory', async () => {
    await expect(fingerprintOf({ n: { shape: [1], data: Int32Array.of(1) } })).rejects.toThrow(/weight n/);
  });
});

describe('finiteCheck', () => {
  const write = (dtype: StoredFloat, numbers: Uint8Array, shape: number[]): StoredTensor => {
    writeFileSync(path(dtype), numbers);
    return { path: path(dtype), dtype, offset: 0, bytes: numbers.length, shape };
  };
  const length = 2 ** 21 + 10;
  const brains = new Uint16Array(length).fill(0x7f7f);
  brains.set([0x7fc0, 0xff80], length - 3);
  const halves = narrowHalf(new Float32Array(length).fill(65504));
  halves[length - 2] = 0xfc00;
  it.each<[StoredFloat, Uint16Array, RegExp]>([
    ['BF16', brains, /w: 2, the first is NaN at flat index 2097159\n/],
    ['F16', halves, /w: 1, the first is -Infinity at flat index 2097160\n/],
  ])('names where a number of %s is not finite, beyond the first piece', async (dtype, words, message) => {
    const check = finiteCheck();
    await fingerprintOf({ w: write(dtype, new Uint8Array(words.buffer), [length]) }, check.see);
    expect(() => check.require('made')).toThrow(UserError);
    expect(() => check.require('made')).toThrow(message);
  });
  it('names the first tensors of many, and is content with the largest numbers', async () => {
    const bad = { shape: [1], data: Float32Array.of(NaN) };
    const check = finiteCheck();
    await fingerprintOf(Object.fromEntries(Array.from({ length: 9 }, (_, i) => [`w${i}`, bad])), check.see);
    expect(() => check.require('made')).toThrow(/w4: 1, .*\n {2}and 4 more tensors/);
    const content = finiteCheck();
    await fingerprintOf({ w: { shape: [2], data: Float32Array.of(3.4028234e38, -1e-45) } }, content.see);
    expect(() => content.require('made')).not.toThrow();
  });
});
