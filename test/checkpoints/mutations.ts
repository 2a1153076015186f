// Damage of every sort, decided by a number alone: flips, cuts, copies, and numbers that are far too large.
import type { Stream } from '../../src/random.js';

/** One of a list. */
export function oneOf<T>(random: Stream, list: readonly T[]): T {
  const chosen = list[random.integer(list.length)];
  if (chosen === undefined) throw new Error('nothing to choose from');
  return chosen;
}

type Damage = (random: Stream, bytes: Buffer) => Buffer;

/** A stretch of at least one byte, rarely a long one. */
function stretch(random: Stream, bytes: Buffer): readonly [from: number, to: number] {
  const from = random.integer(Math.max(1, bytes.length));
  const most = oneOf(random, [2, 8, 64, bytes.length]);
  return [from, Math.min(bytes.length, from + 1 + random.integer(Math.max(1, most)))];
}

const flips: Damage = (random, bytes) => {
  const copy = Buffer.from(bytes);
  for (let n = 1 + random.integer(8); n > 0; n--) {
    const at = random.integer(Math.max(1, copy.length));
    copy[at] = (copy[at] ?? 0) ^ (1 << random.integer(8));
  }
  return copy;
};
const truncation: Damage = (random, bytes) => bytes.subarray(0, random.integer(bytes.length + 1));
const deletion: Damage = (random, bytes) => {
  const [from, to] = stretch(random, bytes);
  return Buffer.concat([bytes.subarray(0, from), bytes.subarray(to)]);
};
const duplication: Damage = (random, bytes) => {
  const [from, to] = stretch(random, bytes);
  const at = random.integer(bytes.length + 1);
  const times = oneOf(random, [1, 1, 1, 2, 50]);
  const copies = Array.from({ length: times }, () => bytes.subarray(from, to));
  return Buffer.concat([bytes.subarray(0, at), ...copies, bytes.subarray(at)]);
};
const extremes = [
  0n,
  1n,
  0x7fn,
  0xffn,
  0x7fffffffn,
  0xffffffffn,
  2n ** 53n,
  2n ** 60n,
  2n ** 63n,
  2n ** 64n - 1n,
];
/** Where a length or an offset may stand. */
const inflation: Damage = (random, bytes) => {
  const copy = Buffer.from(bytes);
  const width = oneOf(random, [1, 2, 4, 8]);
  if (copy.length < width) return copy;
  const at = oneOf(random, [0, random.integer(copy.length - width + 1)]);
  const value = Buffer.alloc(8);
  value.writeBigUInt64LE(oneOf(random, extremes));
  value.copy(copy, at, 0, width);
  return copy;
};

/** Any damage of bytes, once or a few times. */
export function damaged(random: Stream, bytes: Buffer): Buffer {
  let result = bytes;
  for (let n = oneOf(random, [1, 1, 2, 3]); n > 0; n--)
    result = oneOf(random, [flips, truncation, deletion, duplication, inflation])(random, result);
  return result;
}

const oddNumbers = [
  '-1',
  '0',
  '1e308',
  '1e400',
  '9007199254740993',
  '1.5',
  '-0',
  '99999999999',
  '4294967296',
];
const oddValues = [
  ...oddNumbers,
  ...['null', 'true', '[]', '{}', '""', '"__proto__"', '"../../etc/passwd"', '"\\u0000"', '"\\u001b[31m"'],
  ...[
    '"a.safetensors"',
    '[[[]]]',
    '{"__proto__":{"x":1}}',
    `"${'long '.repeat(2000)}"`,
    '[0,0,0,0,0,0,0,0,0,0]',
  ],
];

/** Damage of a text that stays nearly what it was: odd values for good ones, keys that are gone or twice, nesting. */
export function damagedText(random: Stream, text: string): string {
  const value = /-?\d+(?:\.\d+)?(?:e[-+]?\d+)?|"(?:[^"\\]|\\.)*"|true|false|null/g;
  const places = [...text.matchAll(value)].map((match) => [match.index, match[0].length] as const);
  const replaced = (by: (old: string) => string): string => {
    if (places.length === 0) return text;
    const [from, length] = oneOf(random, places);
    return text.slice(0, from) + by(text.slice(from, from + length)) + text.slice(from + length);
  };
  const depth = oneOf(random, [3, 40, 2000, 20_000]);
  switch (random.integer(7)) {
    case 0:
    case 1:
      return replaced(() => oneOf(random, oddValues));
    case 2:
      return replaced((old) => `${old}${random.integer(10)}`);
    case 3:
      return replaced((old) => `${'['.repeat(depth)}${old}${']'.repeat(depth)}`);
    case 4:
      return replaced((old) => `${'{"a":'.repeat(depth)}${old}${'}'.repeat(depth)}`);
    case 5:
      return damagedText(
        random,
        replaced(() => oneOf(random, oddValues)),
      );
    default:
      return damaged(random, Buffer.from(text)).toString('utf8');
  }
}

/** Opcodes of pickles, those that nothing here writes among them. */
const opcodes = Buffer.from('.(0123NIKLMJGSTUVXBCRQPacdebghijklopqrstu}]){\x80\x81\x82\x85\x86\x87\x88\x89\x8a\x8b\x8c\x8d\x8e\x8f\x90\x91\x92\x93\x94\x95\x96\x97\x98', 'latin1'); // prettier-ignore

/** Other opcodes for some, groups and lists in each other, values that are remembered again and again. */
export function damagedPickle(random: Stream, pickle: Buffer): Buffer {
  const at = random.integer(pickle.length);
  const around = (inserted: Buffer): Buffer =>
    Buffer.concat([pickle.subarray(0, at), inserted, pickle.subarray(at)]);
  switch (random.integer(4)) {
    case 0: {
      const copy = Buffer.from(pickle);
      for (let n = 1 + random.integer(4); n > 0; n--)
        copy[random.integer(copy.length)] = opcodes[random.integer(opcodes.length)] ?? 0;
      return copy;
    }
    case 1:
      return around(
        Buffer.alloc(oneOf(random, [1, 10, 5000]), oneOf(random, ['(', ']', '}', ')', '0', '2'])),
      );
    case 2:
      // A list, remembered, and appended to itself.
      return around(
        Buffer.from(
          oneOf(random, [']q\x07h\x07a0', '}q\x07X\x01\x00\x00\x00ah\x07s0', '(h\x00h\x00t0']),
          'latin1',
        ),
      );
    default:
      return damaged(random, pickle);
  }
}
