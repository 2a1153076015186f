import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from '@jest/globals';
import { headerBytes } from '../../src/checkpoints/safetensors.js';
import { UserError } from '../../src/errors.js';
import { inspect } from '../../src/inspect/inspect.js';
import { stream, type Stream } from '../../src/random.js';
import { scratch } from '../scratch.js';
import { bounded } from './bounded.js';
import { damaged, damagedPickle, damagedText } from './mutations.js';
import { checkpoint, dict, pickle, tensor, text, tuple, zip } from './torch-bytes.js';

const { path } = scratch();
const floats = (count: number): Buffer =>
  Buffer.from(Float32Array.from({ length: count }, (_, i) => i / 8).buffer);

/** A header that says what lies in the data after it. */
const header = {
  __metadata__: { format: 'pt', note: 'small' },
  'blocks.0.w': { dtype: 'F32', shape: [2, 3], data_offsets: [0, 24] },
  'blocks.1.w': { dtype: 'F32', shape: [2, 3], data_offsets: [24, 48] },
  half: { dtype: 'F16', shape: [4], data_offsets: [48, 56] },
  brain: { dtype: 'BF16', shape: [2, 2], data_offsets: [56, 64] },
  counter: { dtype: 'I64', shape: [], data_offsets: [64, 72] },
};
const headerText = JSON.stringify(header);
const data = floats(18);

/** Its length beside it is right, so that a reader comes as far as the header itself. */
function withHeader(json: string): Buffer {
  const bytes = Buffer.from(json);
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(bytes.length));
  return Buffer.concat([length, bytes, data]);
}
const sound = Buffer.concat([...headerBytes(header), data]);

function mutatedSafetensors(random: Stream): Buffer {
  return random.uniform() < 0.5 ? damaged(random, sound) : withHeader(damagedText(random, headerText));
}

const rows = tensor({ length: 6, shape: [2, 3], strides: [3, 1] });
const columns = tensor({ storage: '1', length: 6, shape: [3, 2], strides: [1, 3] });
const parameter = `ctorch._utils\n_rebuild_parameter\n${tuple(rows, '\x88', '}')}R`;
const weights = dict({ 'blocks.0.w': rows, 'blocks.1.w': columns, p: parameter });
const body = dict({ model: weights, ema: weights, epoch: 'K\x05', args: `cargparse\nNamespace\n)\x81}b` });
const storages = { 0: floats(6), 1: floats(6) };
const soundZip = checkpoint(body, storages);

function mutatedZip(random: Stream): Buffer {
  if (random.uniform() < 0.4) return damaged(random, soundZip);
  return zip([
    { name: 'made/data.pkl', data: damagedPickle(random, pickle(body)) },
    { name: 'made/byteorder', data: Buffer.from('little') },
    ...Object.entries(storages).map(([key, data]) => ({ name: `made/data/${key}`, data })),
  ]);
}

const legacyPickles = [
  '\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19',
  'M\xe9\x03',
  dict({ little_endian: '\x88' }),
  body,
  tuple(text('0'), text('1')),
].map(pickle);
const stored = (numbers: Buffer): Buffer => {
  const count = Buffer.alloc(8);
  count.writeBigInt64LE(BigInt(numbers.length / 4));
  return Buffer.concat([count, numbers]);
};
const legacy = (pickles: readonly Buffer[]): Buffer =>
  Buffer.concat([...pickles, ...Object.values(storages).map(stored)]);
const soundLegacy = legacy(legacyPickles);

function mutatedLegacy(random: Stream): Buffer {
  if (random.uniform() < 0.4) return damaged(random, soundLegacy);
  const which = random.integer(legacyPickles.length);
  return legacy(legacyPickles.map((one, i) => (i === which ? damagedPickle(random, one) : one)));
}

interface Kind {
  readonly name: string;
  readonly count: number;
  readonly file: string;
  readonly sound: Buffer;
  readonly mutated: (random: Stream) => Buffer;
}
const kinds: readonly Kind[] = [
  { name: '.safetensors files', count: 5000, file: 'm.safetensors', sound, mutated: mutatedSafetensors },
  { name: '.pt files', count: 3000, file: 'm.pt', sound: soundZip, mutated: mutatedZip },
  { name: '.pt files of the older form', count: 2000, file: 'l.pt', sound: soundLegacy, mutated: mutatedLegacy },
]; // prettier-ignore

beforeAll(() => {
  rmSync(join(tmpdir(), 'pwned'), { force: true });
  mkdirSync(path('mutants'));
});

/** What came of a file: the kind of thing it is, or that it was refused. Anything else that is thrown is our mistake. */
async function outcome(file: string, reasons = new Set<string>()): Promise<string> {
  try {
    return (await inspect(file)).kind;
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    expect(error.message).toContain(file);
    // The same reason of another number or name is the same.
    reasons.add(error.message.replaceAll(/"[^"]*"|\S*[\d/]\S*/g, '').slice(0, 60));
    return 'refused';
  }
}

describe('mutated files', () => {
  it.each(kinds)(
    '$count $name open as what they were, or are refused',
    async (kind) => {
      const { name, count, file, sound, mutated } = kind;
      writeFileSync(path(file), sound);
      expect(await outcome(path(file))).toBe('tensors');
      const outcomes = new Map<string, number>();
      const reasons = new Set<string>();
      for (let i = 0; i < count; i++) {
        const bytes = mutated(stream(1, `mutants of ${name}`, i));
        writeFileSync(path(`mutants/${file}`), bytes);
        const what = await bounded(`mutant ${i} of ${name}`, () => outcome(path(`mutants/${file}`), reasons));
        outcomes.set(what, (outcomes.get(what) ?? 0) + 1);
      }
      expect([...outcomes.keys()].sort()).toEqual(['refused', 'tensors']);
      // Both happen, and files are refused for many reasons: the mutations reach all of the reader.
      expect(outcomes.get('tensors')).toBeGreaterThan(count / 100);
      expect(reasons.size).toBeGreaterThan(12);
      expect(existsSync(join(tmpdir(), 'pwned'))).toBe(false);
    },
    300_000,
  );
});
