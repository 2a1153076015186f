import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { readTensor, readTensors } from '../../src/checkpoints/stored.js';
import { openAllTorch, openTorch } from '../../src/checkpoints/torch.js';
import { UserError } from '../../src/errors.js';
import { isStored, type HostTensors, type StoredTensor, type Weights } from '../../src/engine/tensors.js';
import { fixturePath, fixtureTensors, pick } from '../fixtures.js';
import { scratch } from '../scratch.js';
import {
  checkpoint,
  dict,
  global,
  pickle,
  tensor,
  text,
  tuple,
  whole,
  zip,
  type MadeTensor,
} from './torch-bytes.js';

const { path } = scratch();
const weights = fixtureTensors('dit/model.safetensors');
const made = (bytes: Uint8Array): string => {
  writeFileSync(path('made.pt'), bytes);
  return path('made.pt');
};
const floats = (...values: readonly number[]): Uint8Array => new Uint8Array(Float32Array.from(values).buffer);
/** One tensor `w` over a storage of the numbers 0, 1, 2, ... */
const one = (view: MadeTensor, numbers = view.length): string =>
  made(checkpoint(dict({ w: tensor(view) }), { 0: floats(...Array(numbers).keys()) }));

function stored(tensors: Weights): Record<string, StoredTensor> {
  const all = Object.entries(tensors).filter((entry): entry is [string, StoredTensor] => isStored(entry[1]));
  expect(all).toHaveLength(Object.keys(tensors).length);
  return Object.fromEntries(all);
}

describe('a .pt file', () => {
  it('gives the weights of a training checkpoint where they lie', async () => {
    const { tensors, others, which } = await openTorch(fixturePath('dit/model.pt'), 'model');
    expect([which, others]).toEqual(['model', {}]);
    expect(await readTensors(stored(tensors))).toEqual(weights);
  });
  it('gives averaged weights unless told otherwise', async () => {
    const { tensors, which } = await openTorch(fixturePath('dit/model.pt'), 'auto');
    expect(which).toBe('ema');
    const ema = await readTensors(stored(tensors));
    expect(ema['pos_embed']).toEqual(weights['pos_embed']);
    const moved = (all: HostTensors): Float32Array =>
      pick(all, 'blocks.2.attn.qkv.weight').data as Float32Array;
    const steps = moved(ema).map((value, i) => value - moved(weights)[i]!);
    // The fixture's README: normal noise of deviation 0.004; of 6912 numbers that is known to 1 %.
    expect(Math.hypot(...steps) / Math.sqrt(steps.length)).toBeCloseTo(0.004, 4);
    expect(await openTorch(fixturePath('dit/model.pt'), 'ema')).toEqual(
      await openTorch(fixturePath('dit/model.pt'), 'auto'),
    );
  });
  it('gives a plain state dict in half precision', async () => {
    const { tensors, which } = await openTorch(fixturePath('dit/model_plain.pt'), 'auto');
    expect(which).toBe('plain');
    for (const [name, tensor] of Object.entries(stored(tensors))) {
      expect(tensor.dtype).toBe('F16');
      const exact = pick(weights, name).data as Float32Array;
      // Half a unit in the last of 11 places, or half the smallest step.
      expect((await readTensor(tensor)).data).toBeAllClose(
        exact,
        Math.max(...exact.map(Math.abs)) * 2 ** -11,
      );
    }
  });
  it('gives the state dict that stands beside counters and settings', async () => {
    const inner = dict({ w: tensor({ storage: '0', length: 2, shape: [2], strides: [1] }) });
    const file = made(checkpoint(dict({ global_step: whole(5), state_dict: inner }), { 0: floats(1, 2) }));
    const { tensors, which } = await openTorch(file, 'auto');
    expect(which).toBe('plain');
    expect(await readTensors(stored(tensors))).toEqual({ w: { shape: [2], data: Float32Array.of(1, 2) } });
    await refused(file, /expected ema/, 'ema');
  });
  it('gives the tensors of the same model as a .safetensors file', async () => {
    const { tensors } = await openTorch(fixturePath('bad/control.pt'), 'auto');
    expect(await readTensors(stored(tensors))).toEqual(fixtureTensors('bad/control.safetensors'));
  });

  it.each<[string, MadeTensor, number[]]>([
    ['transposed', { length: 6, shape: [3, 2], strides: [1, 3] }, [0, 3, 1, 4, 2, 5]],
    ['a column', { length: 6, start: 1, shape: [2], strides: [3] }, [1, 4]],
    ['permuted', { length: 8, shape: [2, 2, 2], strides: [1, 4, 2] }, [0, 2, 4, 6, 1, 3, 5, 7]],
    ['one number to all', { length: 4, start: 3, shape: [4], strides: [0] }, [3, 3, 3, 3]],
  ])('gathers a tensor that is %s', async (_, view, numbers) => {
    const { tensors } = await openTorch(one(view), 'auto');
    expect(tensors['w']).toEqual({ shape: view.shape, data: Float32Array.from(numbers) });
  });
  it.each<[string, MadeTensor, number[]]>([
    ['part of a storage', { length: 6, start: 2, shape: [2, 2], strides: [2, 1] }, [2, 3, 4, 5]],
    ['of any strides where there is one row', { length: 3, shape: [1, 3], strides: [77, 1] }, [0, 1, 2]],
    ['a single number', { length: 1, shape: [], strides: [] }, [0]],
    ['empty', { length: 0, shape: [0, 3], strides: [3, 1] }, []],
  ])('points at a tensor that is %s', async (_, view, numbers) => {
    const { tensors } = await openTorch(one(view), 'auto');
    const { w } = await readTensors(stored(tensors));
    expect(w).toEqual({ shape: view.shape, data: Float32Array.from(numbers) });
  });
  it('reads a parameter as its tensor, and keeps apart what cannot be a weight', async () => {
    const view = { length: 2, shape: [2], strides: [1] };
    const parameter = `ctorch._utils\n_rebuild_parameter\n${tuple(tensor(view), '\x88', '}')}R`;
    const counter = tensor({ ...view, type: 'LongStorage', storage: '1' });
    const entries = { w: parameter, counter, note: text('hello'), ['__proto__']: tensor(view) };
    const file = made(checkpoint(dict(entries), { 0: floats(4, 5) }));
    const { tensors, others } = await openTorch(file, 'auto');
    expect(await readTensors(stored(tensors))).toEqual(
      Object.fromEntries(
        ['w', '__proto__'].map((name) => [name, { shape: [2], data: Float32Array.of(4, 5) }]),
      ),
    );
    expect(others).toEqual({ counter: 'I64', note: 'no tensor' });
  });
});

const refused = async (file: string, message: RegExp, which: 'auto' | 'ema' | 'model' = 'auto') => {
  await expect(openTorch(file, which)).rejects.toThrow(UserError);
  await expect(openTorch(file, which)).rejects.toThrow(message);
  await expect(openTorch(file, which)).rejects.toThrow(file);
};

describe('a .pt file from before the zip format', () => {
  const bytes = readFileSync(fixturePath('bad/legacy_tar.pt'));

  it('gives the tensors of the same model as a .safetensors file', async () => {
    const { tensors, which } = await openTorch(fixturePath('bad/legacy_tar.pt'), 'auto');
    expect(which).toBe('plain');
    expect(await readTensors(stored(tensors))).toEqual(fixtureTensors('bad/control.safetensors'));
  });

  it('is refused when it is cut short, or longer than its storages', async () => {
    await refused(made(bytes.subarray(0, -1)), /cut short/);
    await refused(made(Buffer.concat([bytes, Buffer.alloc(3)])), /3 bytes after the last storage/);
  });

  const start = ['\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19', 'M\xe9\x03'];
  const machine = dict({ little_endian: '\x88' });
  const row = (...bodies: readonly string[]): string => made(Buffer.concat(bodies.map(pickle)));
  const w = tensor({ length: 2, shape: [2], strides: [1] });
  const view = w.replace('Q', `${tuple(text('0'), 'K\x00', 'K\x01')}Q`);

  it.each<[string, () => string, RegExp]>([
    ['when it is some other pickle', () => row(dict({ w: 'K\x01' })), /not one that torch wrote/],
    ['when it is of another version', () => row(start[0] ?? '', 'K\x01'), /not one that torch wrote/],
    ['when its numbers are big-endian', () => row(...start, dict({ little_endian: '\x89' })), /big-endian/],
    ['when it would run something', () => row(...start, machine, `${global('os', 'system')})R`), /"os\.system"/],
    ['when a storage is missing', () => row(...start, machine, dict({ w }), ']'), /data\/0, are not in it|not in it/],
    ['when it names a storage of no tensor', () => row(...start, machine, dict({ w }), tuple(text('7'))), /none of its tensors has/],
    ['when it names a storage twice', () => made(Buffer.concat([...[...start, machine, dict({ w }), tuple(text('0'), text('0'))].map(pickle), Buffer.of(2, 0, 0, 0, 0, 0, 0, 0), floats(1, 2), Buffer.alloc(16)])), /or one twice/],
    ['when a storage has a count below zero', () => made(Buffer.concat([...[...start, machine, dict({ w }), tuple(text('0'))].map(pickle), Buffer.alloc(8, 255), floats(1, 2)])), /does not fit/],
    ['when a storage is a stretch of another', () => row(...start, machine, dict({ w: view }), tuple(text('0'))), /no storage of its own/],
  ])('is refused %s', (_, file, message) => refused(file(), message)); // prettier-ignore
});

describe('all tensors of a .pt file', () => {
  it('are named by the dicts that lead to them', async () => {
    const file = fixturePath('dit/model.pt');
    const { tensors, others, entries } = await openAllTorch(file);
    expect(Object.keys(tensors).filter((name) => name.startsWith('ema.'))).toHaveLength(
      Object.keys(weights).length,
    );
    expect(await readTensors(stored(tensors))).toMatchObject({ 'model.pos_embed': weights['pos_embed'] });
    expect(entries).toHaveLength(Object.keys(tensors).length);
    expect(others).toEqual({ args: 'no tensor' });
  });
  it('are refused where dicts hold each other without end', async () => {
    // Every dict holds the one before twice: 2^30 ways to the first.
    const nested = Array.from({ length: 30 }, (_, i) =>
      `q${String.fromCharCode(i)}0}(${text('a')}h${String.fromCharCode(i)}${text('b')}h${String.fromCharCode(i)}u`,
    ).join(''); // prettier-ignore
    await expect(openAllTorch(made(checkpoint(`}${nested}`)))).rejects.toThrow(/again and again/);
    const own = made(checkpoint(`}q\x00(${text('a')}h\x00u`));
    await expect(openAllTorch(own)).rejects.toThrow(/again and again/);
  });
});

describe('a .pt file is refused', () => {
  it('when it would run something, and does not run it', async () => {
    await refused(fixturePath('bad/malicious.pt'), /"os\.system"/);
    expect(existsSync(join(tmpdir(), 'pwned'))).toBe(false);
  });
  it('when it is cut short', () => refused(fixturePath('bad/truncated.pt'), /file is truncated/));
  it('when it is a tar archive, and told how to renew it', () => {
    const tar = Buffer.alloc(1024);
    tar.write('ustar', 257);
    return refused(made(tar), /old format.*before version 0\.1\.10.*torch\.save/);
  });
  it('when it is something else', () => refused(fixturePath('bad/README.md'), /not a zip archive/));
  it('when it is not there', () => refused(path('nowhere.pt'), /cannot be read .*ENOENT/));

  it('when it lacks the weights asked for, naming what is there', async () => {
    await refused(fixturePath('dit/model_plain.pt'), /a plain state dict, expected ema/, 'ema');
    await refused(fixturePath('dit/model_plain.pt'), /a plain state dict, expected model/, 'model');
    const view = tensor({ length: 1, shape: [1], strides: [1] });
    const file = made(checkpoint(dict({ model: dict({ w: view }), ema: 'N', epoch: 'K\x01' })));
    await refused(file, /a dict with "model", "ema", "epoch", expected ema/, 'ema');
    await refused(
      made(checkpoint(dict({ net: dict({ w: view }) }))),
      /"net", expected ema, model, state_dict or a plain/,
    );
    await refused(made(checkpoint('}')), /an empty dict/);
    await refused(made(checkpoint(']')), /other than a dict/);
  });

  const beyond = /tensor w .* reaches beyond the 6 numbers/;
  it.each<[string, MadeTensor, RegExp]>([
    ['starts too late', { length: 6, start: 1, shape: [6], strides: [1] }, beyond],
    ['is too long', { length: 6, shape: [7], strides: [1] }, beyond],
    ['strides too far', { length: 6, shape: [2, 2], strides: [5, 1] }, beyond],
    ['repeats itself immensely', { length: 6, shape: [2 ** 50], strides: [0] }, beyond],
    ['is immense', { length: 6, shape: Array<number>(20).fill(2 ** 52), strides: Array<number>(20).fill(2 ** 52) }, beyond],
    ['starts before its storage', { length: 6, start: -1, shape: [1], strides: [1] }, /tensor w is not/],
    ['runs backwards', { length: 6, start: 5, shape: [6], strides: [-1] }, /tensor w is not/],
    ['has a stride too few', { length: 6, shape: [2, 3], strides: [1] }, /tensor w is not/],
    ['has too many dimensions', { length: 6, shape: Array<number>(65).fill(1), strides: Array<number>(65).fill(1) }, /tensor w is not/],
    ['lies in no storage', { length: 6, storage: '9', shape: [6], strides: [1] }, /data\/9, are not in it/],
    ['lies outside the archive', { length: 6, storage: '../byteorder', shape: [6], strides: [1] }, /not in it/],
  ])('when a tensor %s', (_, view, message) => refused(one(view), message)); // prettier-ignore
  it('when a storage has another size', () =>
    refused(one({ length: 6, shape: [6], strides: [1] }, 5), /have 20 bytes, expected 24/));
  it('when its tensors overlap so much that reading them takes for ever', () => {
    const view = tensor({ length: 600, shape: [300, 2], strides: [1, 300] });
    const many = Object.fromEntries(Array.from({ length: 400 }, (_, i) => [`w${i}`, view]));
    return refused(made(checkpoint(dict(many), { 0: floats(...Array(600).keys()) })), /overlap/);
  });

  it('when its archive is odd', async () => {
    const data = pickle('}');
    const name = 'made/data.pkl';
    await refused(made(zip([{ name, data, method: 8 }])), /compressed or encrypted/);
    await refused(made(zip([{ name, data, localName: 'made/data.pkX' }])), /disagree/);
    await refused(made(zip([{ name, data }, { name, data }])), /data\.pkl twice/); // prettier-ignore
    await refused(made(zip([{ name: 'made/data', data }])), /0 members named <folder>\/data\.pkl/);
    await refused(made(zip([{ name, data }, { name: 'b/data.pkl', data }])), /2 members named/); // prettier-ignore
    const big = { name: 'made/byteorder', data: Buffer.from('big') };
    await refused(made(zip([{ name, data }, big])), /big-endian/);
    await refused(made(zip([{ name, data: Buffer.alloc(2 ** 24 + 1) }])), /at most 16777216 are read/);
  });
  it('when its directory lies where no file reaches', async () => {
    // The end of the archive in the form for large files, at an offset beyond 2^53.
    const locator = Buffer.alloc(20);
    locator.write('PK\x06\x07', 'latin1');
    locator.writeBigUInt64LE(2n ** 63n, 8);
    const bytes = zip([{ name: 'made/data.pkl', data: pickle('}') }]);
    await refused(made(Buffer.concat([bytes.subarray(0, -22), locator, bytes.subarray(-22)])), /ends before/);
  });
});
