import { describe, expect, it } from '@jest/globals';
import { ddpmBetas, diffusion } from '../../src/diffusion/betas.js';
import { UserError } from '../../src/errors.js';
import {
  mergedTable,
  readErrorPart,
  writeErrorPart,
  type ErrorPart,
} from '../../src/schedules/errorParts.js';
import { accumulator } from '../../src/schedules/measure.js';
import { timeBins } from '../../src/schedules/timeBins.js';
import { scratch } from '../scratch.js';
import { exits } from './tables.js';

const { path, put } = scratch();
const noise = diffusion(ddpmBetas);
const measured = { backbone: 'b', heads: 'h', bins: timeBins(noise, 2), exits: [...exits] };

/** A part whose one sample has an excess of `value` at exit 1. */
function part(index: number, of: number, value: number): ErrorPart {
  const errors = accumulator(measured, noise);
  const sample = [value, 0.5, 0].map((squaredToFull) => ({ squaredToNoise: 1 + value, squaredToFull }));
  errors.add({ t: 10, exits: sample });
  return {
    ...{ format: 'exithead-error-sums', version: 1, measured },
    drawn: { data: 'digits', steps: 1000, alphas: [0.9, 0.5, 0.1], seed: 0, samples: 6, batch: 1 },
    ...{ shard: { index, of }, batches: 1, done: true, sums: errors.sums() },
  };
}

describe('parts of an error table', () => {
  it('come back from their file, and merge into one table', async () => {
    await writeErrorPart(path('error-table.1-of-2.json'), part(1, 2, 2));
    const read = await readErrorPart(path('error-table.1-of-2.json'));
    expect(read).toEqual(part(1, 2, 2));
    const { count, excess, error } = mergedTable([part(2, 2, 4), read], noise);
    expect(count).toEqual([2, 0]);
    expect(excess.mean.map((row) => row[0])).toEqual([3, 0.5, 0]);
    expect(excess.standardError[0]).toEqual([1, null]);
    expect(error.mean[2]).toEqual([4, null]);
  });

  it.each<[string, ErrorPart[], string]>([
    ['none', [], 'there are no parts to merge'],
    ['one that is missing', [part(1, 3, 1), part(3, 3, 1)], 'part 2/3 is missing or there twice'],
    ['one twice', [part(1, 2, 1), part(1, 2, 1), part(2, 2, 1)], 'part 1/2 is missing or there twice'],
    [
      'parts of other sizes',
      [part(1, 2, 1), part(2, 3, 1)],
      'part 2/3 is one of more or fewer than part 1/2',
    ],
    [
      'one that is not finished',
      [part(1, 2, 1), { ...part(2, 2, 1), done: false }],
      'part 2/2 is not finished. Go on with `exithead profile --shard 2/2 --resume`.',
    ],
    [
      'other heads',
      [part(1, 2, 1), { ...part(2, 2, 1), measured: { ...measured, heads: 'g' } }],
      'part 2/2 is of another backbone or other heads than part 1/2. Measure all parts alike.',
    ],
    [
      'other bins',
      [part(1, 2, 1), { ...part(2, 2, 1), measured: { ...measured, bins: timeBins(noise, 1) } }],
      'has other exits, time bins, ages or guidance',
    ],
    [
      'other samples',
      [part(1, 2, 1), { ...part(2, 2, 1), drawn: { ...part(2, 2, 1).drawn, seed: 1 } }],
      'is on other samples',
    ],
  ])('refuse to merge: %s', (_, parts, message) => {
    expect(() => mergedTable(parts, noise)).toThrow(UserError);
    expect(() => mergedTable(parts, noise)).toThrow(message);
  });

  it('are checked when they are read', async () => {
    const made = part(1, 1, 1);
    const broken = { ...made.sums.epsilon.error, sum: ['-', 'ff'] };
    const sums = { ...made.sums, epsilon: { ...made.sums.epsilon, error: broken } };
    await expect(readErrorPart(put('bad.json', { ...made, sums }))).rejects.toThrow(
      /sums\.epsilon\.error\.sum\.0/,
    );
    const short = { ...made.sums.epsilon.error, sum: ['ff'] };
    const few = { ...made.sums, epsilon: { ...made.sums.epsilon, error: short } };
    await expect(readErrorPart(put('short.json', { ...made, sums: few }))).rejects.toThrow(
      /sums\.epsilon\.error\.sum: has 1 entries for 3 exits and 2 bins/,
    );
  });
});
