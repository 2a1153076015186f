import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { respace } from '../../src/diffusion/respace.js';
import { UserError } from '../../src/errors.js';
import { fixtureJson } from '../fixtures.js';

interface Cases {
  readonly cases: readonly { num_timesteps: number; sections: string; timesteps: readonly number[] }[];
}

describe('respace', () => {
  it.each((fixtureJson('schedulers/space_timesteps.json') as Cases).cases)(
    'takes $sections of $num_timesteps as the official code, from noise to data',
    ({ num_timesteps, sections, timesteps }) => {
      expect(respace(num_timesteps, sections)).toEqual(timesteps.toReversed());
    },
  );

  it('gives as many times as asked for, descending, from T-1 to 0', () => {
    const counts = fc
      .integer({ min: 2, max: 1000 })
      .chain((steps) => fc.tuple(fc.constant(steps), fc.integer({ min: 2, max: steps })));
    fc.assert(
      fc.property(counts, ([steps, count]) => {
        const times = respace(steps, `${count}`);
        expect(times.length).toBe(count);
        expect([times[0], times.at(-1)]).toEqual([steps - 1, 0]);
        expect(times.every((t, i) => i === 0 || t < (times[i - 1] ?? NaN))).toBe(true);
      }),
      { seed: 1 },
    );
  });

  it.each(['0', '1001', 'ddim0', 'ddim700', 'ddim1001', '', '50 steps', '-5', '2.5', '500,600', '10,,10'])(
    'refuses %j of 1000',
    (spacing) => {
      expect(() => respace(1000, spacing)).toThrow(UserError);
    },
  );
});
