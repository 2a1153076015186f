import { truncateSync, writeFileSync, readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { fingerprintOf } from '../../src/checkpoints/fingerprint.js';
import {
  copySafetensors,
  headerBytes,
  openSafetensors,
  streamSafetensors,
  writeSafetensors,
} from '../../src/checkpoints/safetensors.js';
import { readIntegers, readTensor, readTensors } from '../../src/checkpoints/stored.js';
import { UserError } from '../../src/errors.js';
import { fixturePath, fixtureTensors, pick } from '../fixtures.js';
import { scratch } from '../scratch.js';

const { path } = scratch();

describe('a .safetensors file', () => {
  it('gives every tensor of a reference file', async () => {
    const { tensors, metadata } = await openSafetensors(fixturePath('dit/model.safetensors'));
    expect(metadata).toEqual({ format: 'pt' });
    expect(await readTensors(tensors)).toEqual(fixtureTensors('dit/model.safetensors'));
  });
  it('widens bfloat16 weights to within their 8 bits', async () => {
    const { tensors } = await openSafetensors(fixturePath('dit/model_bf16.safetensors'));
    const exact = pick(fixtureTensors('dit/model.safetensors'), 'blocks.0.attn.qkv.weight');
    const { data } = await readTensor(tensors['blocks.0.attn.qkv.weight']!);
    expect(Array.from(data).every((x, i) => Math.abs(x - exact.data[i]!) <= 2 ** -8 * Math.abs(x))).toBe(
      true,
    );
  });
  it('keeps tensors that are no weights apart', async () => {
    const { others } = await openSafetensors(fixturePath('dit/io.safetensors'));
    expect(others).toMatchObject({ t: 'I64', y: 'I64' });
  });
  it('gives whole numbers of 64 and of 32 bits', async () => {
    const { integers } = await openSafetensors(fixturePath('dit/io.safetensors'));
    const { y } = fixtureTensors('dit/io.safetensors');
    expect(await readIntegers(integers['y']!)).toEqual(y?.data);
    const label = { shape: [3], data: Int32Array.of(-7, 0, 2 ** 31 - 1) };
    await writeSafetensors(path('labels'), { label, x: { shape: [1], data: Float32Array.of(0.5) } });
    const written = await openSafetensors(path('labels'));
    expect(written.others).toEqual({ label: 'I32' });
    expect(await readIntegers(written.integers['label']!)).toEqual(label.data);
    expect(await readTensors(written.tensors)).toEqual({ x: { shape: [1], data: Float32Array.of(0.5) } });
  });
  it('is refused when a whole number has more than 32 bits', async () => {
    const header = { y: { dtype: 'I64', shape: [1], data_offsets: [0, 8] } };
    const long = Buffer.alloc(8);
    long.writeBigInt64LE(-(2n ** 40n));
    writeFileSync(path('long'), Buffer.concat([...headerBytes(header), long]));
    const { integers } = await openSafetensors(path('long'));
    await expect(readIntegers(integers['y']!)).rejects.toThrow('holds the whole number -1099511627776');
  });
  it.each(['F32', 'F16'] as const)('gives back what was written as %s', async (dtype) => {
    const data = Float32Array.of(1, -0.5, 0, 65504, 2 ** -24, -3);
    const written = { b: { shape: [2, 3], data }, a: { shape: [], data: Float32Array.of(7) } };
    await writeSafetensors(path('own'), written, { dtype, metadata: { note: 'héllo' } });
    const { tensors, metadata } = await openSafetensors(path('own'));
    expect(metadata).toEqual({ note: 'héllo' });
    expect(tensors['b']).toMatchObject({ dtype, shape: [2, 3] });
    expect(tensors['b']!.offset % 8).toBe(0);
    expect(await readTensors(tensors)).toEqual(written);
  });
  it('is made of weights that lie elsewhere, with their types and fingerprint', async () => {
    const { tensors } = await openSafetensors(fixturePath('dit/model_bf16.safetensors'));
    const bias = { shape: [2], data: Float32Array.of(1, -0.1) };
    await copySafetensors(path('copied'), { ...tensors, bias }, { format: 'pt' });
    const copied = await openSafetensors(path('copied'));
    expect(copied.metadata).toEqual({ format: 'pt' });
    expect(await fingerprintOf(copied.tensors)).toBe(await fingerprintOf({ ...tensors, bias }));
    expect(copied.tensors['blocks.0.attn.qkv.weight']?.dtype).toBe('BF16');
    expect(await readTensor(copied.tensors['bias']!)).toEqual(bias);
  });
  it('is written tensor by tensor, each asked for when its turn comes', async () => {
    const asked: string[] = [];
    const dataOf = (name: string) => (asked.push(name), Float32Array.of(asked.length, 2));
    await streamSafetensors(path('streamed'), { b: [2], a: [1, 2] }, dataOf);
    expect(asked).toEqual(['b', 'a']);
    const { tensors } = await openSafetensors(path('streamed'));
    expect(await readTensors(tensors)).toEqual({
      b: { shape: [2], data: Float32Array.of(1, 2) },
      a: { shape: [1, 2], data: Float32Array.of(2, 2) },
    });
    await expect(streamSafetensors(path('wrong'), { b: [3] }, dataOf)).rejects.toThrow(/b has 2 numbers/);
    await expect(openSafetensors(path('wrong'))).rejects.toThrow(UserError);
  });
  it.each([
    ['truncated', /tensors take 85360|cut short/],
    ['header_overlap', /share bytes 48 to 63/],
    ['huge_header', /announces a header of 1152921504606846976 bytes/],
    ['wrong_dtype', /has type Q13/],
  ])('is refused when it is %s', async (name, message) => {
    const file = fixturePath(`bad/${name}.safetensors`);
    await expect(openSafetensors(file)).rejects.toThrow(UserError);
    await expect(openSafetensors(file)).rejects.toThrow(message);
    await expect(openSafetensors(file)).rejects.toThrow(file);
  });
  it.each(['control', 'missing_key', 'wrong_shape', 'nan'])('opens when it is sound: %s', async (name) => {
    const { tensors } = await openSafetensors(fixturePath(`bad/${name}.safetensors`));
    expect(Object.keys(tensors).length).toBeGreaterThan(20);
  });
  const header = (json: string, data = 0): Uint8Array => {
    const length = Buffer.alloc(8);
    length.writeBigUInt64LE(BigInt(json.length));
    return Buffer.concat([length, Buffer.from(json), Buffer.alloc(data)]);
  };
  it.each<[string, Uint8Array, RegExp]>([
    ['empty', new Uint8Array(0), /has 0 bytes/],
    ['text', Buffer.from('hello, I am no checkpoint'), /announces a header/],
    ['an array', header('[1]'), /not a JSON object/],
    ['not JSON', header('{"a"'), /not a JSON object/],
    ['an odd entry', header('{"a":{"dtype":"F32"}}'), /entry of tensor a is not/],
    ['a negative shape', header('{"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}}', 4), /entry of/],
    [
      'a false size',
      header('{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}}', 4),
      /has 4 bytes, expected 8/,
    ],
    [
      'an immense shape',
      header('{"a":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,4]}}', 4),
      /has 4 bytes/,
    ],
    ['a gap', header('{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}', 8), /bytes 0 to 3 before/],
    ['a tail', header('{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}', 8), /4 bytes after the last/],
    ['odd metadata', header('{"__metadata__":{"a":1}}'), /__metadata__/],
  ])('is refused when it is %s', async (_, bytes, message) => {
    writeFileSync(path('odd'), bytes);
    await expect(openSafetensors(path('odd'))).rejects.toThrow(UserError);
    await expect(openSafetensors(path('odd'))).rejects.toThrow(message);
  });
  it('says so when it shrinks between opening and reading', async () => {
    writeFileSync(path('shrinks'), readFileSync(fixturePath('bad/control.safetensors')));
    const { tensors } = await openSafetensors(path('shrinks'));
    truncateSync(path('shrinks'), 20000);
    await expect(readTensors(tensors)).rejects.toThrow(/cannot be read any more/);
  });
  it('is refused when it is missing or a folder', async () => {
    await expect(openSafetensors(path('nowhere'))).rejects.toThrow(/Give the path of a \.safetensors file/);
    await expect(openSafetensors('.')).rejects.toThrow(UserError);
  });
});
