import { readFileSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { openBackbone } from '../../src/checkpoints/backbone.js';
import { UserError } from '../../src/errors.js';
import { fixturePath } from '../fixtures.js';
import { scratch } from '../scratch.js';

const { path } = scratch();
const config = fixturePath('bad/config.json');

/** What opening a file came to: it loaded, or the message of a UserError. Anything else is thrown on. */
async function outcome(bytes: Uint8Array): Promise<string> {
  writeFileSync(path('spoilt'), bytes);
  try {
    await openBackbone({ path: path('spoilt'), weights: 'auto', config });
    return 'loaded';
  } catch (error) {
    if (error instanceof UserError) return error.message;
    throw error;
  }
}

/** The parts of each file that say something; the rest are the numbers themselves. */
const files: Readonly<Record<string, readonly (readonly [number, number])[]>> = {
  'control.pt': [
    [0, 4372],
    [85_000, 94_181],
  ],
  'control.safetensors': [[0, 3696]],
};

describe.each(Object.keys(files))('%s', (name) => {
  const sound = readFileSync(fixturePath(`bad/${name}`));

  it('cut off anywhere is refused with a message', async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat({ max: sound.length - 1 }), async (length) => {
        expect(await outcome(sound.subarray(0, length))).toMatch(/no sound|holds no weights/);
      }),
      { numRuns: 60 },
    );
  });

  it('with bytes changed anywhere loads or is refused with a message', async () => {
    const positions = [[0, sound.length] as const, ...(files[name] ?? [])];
    const position = fc.oneof(...positions.map(([from, to]) => fc.integer({ min: from, max: to - 1 })));
    const change = fc.tuple(position, fc.integer({ min: 1, max: 255 }));
    await fc.assert(
      fc.asyncProperty(fc.array(change, { minLength: 1, maxLength: 4 }), async (changes) => {
        const bytes = Buffer.from(sound);
        for (const [at, flip] of changes) bytes[at] = (bytes[at] ?? 0) ^ flip;
        const result = await outcome(bytes);
        expect(result === 'loaded' || result.includes(path('spoilt'))).toBe(true);
      }),
      { numRuns: 250 },
    );
  });
});
