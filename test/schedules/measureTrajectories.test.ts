import { describe, expect, it } from '@jest/globals';
import { alphaBar, ddpmBetas, diffusion } from '../../src/diffusion/betas.js';
import { respace } from '../../src/diffusion/respace.js';
import { Interrupted } from '../../src/errors.js';
import type { Entry, Journal } from '../../src/schedules/journal.js';
import { initialNoise } from '../../src/samplers/noise.js';
import {
  measureTrajectories,
  pairsOf,
  trajectoryPasses,
  type PredictAt,
  type TrajectoriesOptions,
} from '../../src/schedules/measureTrajectories.js';

const process = diffusion(ddpmBetas);
const timesteps = respace(1000, '6');
const slope = (t: number): number => 0.9 - 0.0004 * t;
const fullAt = (x: number, t: number): number => slope(t) * x + 0.1;
const depth = 4;
/** Exit 1 is off by a fifth of x; exit 2 by a ten-thousandth of the age of what it remembers, in native t. */
const exitAt = (exit: number, x: number, t: number, tFull: number): number =>
  fullAt(x, t) + (exit === 1 ? 0.2 * x : exit === 2 ? 1e-4 * (tFull - t) : 0);
const exits = [
  { exit: 1, remembers: false, share: 0.25 },
  { exit: 2, remembers: true, share: 0.5 },
];

let passes = 0;
/** One trajectory of that model. */
function begin(): PredictAt {
  let tFull: number | undefined;
  return (exit, x, t) => {
    passes += (x.length / 5) * (exit === depth ? 1 : (exits.find((one) => one.exit === exit)?.share ?? NaN));
    if (exit === depth) tFull = t;
    if (exit === 2 && tFull === undefined) throw new Error('nothing to remember');
    return Promise.resolve(x.map((value) => exitAt(exit, value, t, tFull ?? NaN)));
  };
}

const options: TrajectoriesOptions = {
  solver: { kind: 'ddim', eta: 0 },
  ...{ diffusion: process, timesteps, clip: false, exits, depth, pairs: 12 },
  fewer: [3, 4].map((steps) => ({ steps, timesteps: respace(1000, String(steps)) })),
  ...{ seed: 3, samples: 6, batch: 4, length: 5, classes: 2, begin },
  signal: new AbortController().signal,
  progress: { update: () => undefined, end: () => undefined },
};
const measured = (more: Partial<TrajectoriesOptions> = {}) => measureTrajectories({ ...options, ...more });

/** Where DDIM takes one number (equation 12), if exits answer some of its calls. */
function ended(start: number, exitOf: (call: number) => number, times = timesteps): number {
  let tFull = NaN;
  return times.reduce((x, t, call) => {
    const next = times[call + 1];
    const [a, b] = [alphaBar(process, t), next === undefined ? 1 : alphaBar(process, next)];
    const exit = exitOf(call);
    if (exit === depth) tFull = t;
    const epsilon = exitAt(exit, x, t, tFull);
    return Math.sqrt(b / a) * (x - Math.sqrt(1 - a) * epsilon) + Math.sqrt(1 - b) * epsilon;
  }, start);
}
/** By sample: mean square over its elements of how far it moves. */
function moved(exitOf: (call: number) => number, times = timesteps): number[] {
  const noise = initialNoise(3, { from: 0, count: 6, length: 5 });
  const squares = Array.from(
    noise,
    (start) => (ended(start, exitOf, times) - ended(start, () => depth)) ** 2,
  );
  return [0, 1, 2, 3, 4, 5].map((i) =>
    squares.slice(5 * i, 5 * i + 5).reduce((sum, value) => sum + value / 5, 0),
  );
}
const mean = (of: readonly number[]): number => of.reduce((sum, value) => sum + value, 0) / of.length;
const errorOf = (of: readonly number[]): number =>
  Math.sqrt(of.reduce((sum, value) => sum + (value - mean(of)) ** 2, 0) / (of.length - 1) / of.length);
const relative = (found: number | null | undefined, expected: number): number =>
  Math.abs((found ?? NaN) / expected - 1);

describe('drifts along trajectories', () => {
  it('of one exit at one call are those of a linear model', async () => {
    const { single } = await measured();
    for (const [k, { exit }] of exits.entries())
      for (const call of timesteps.keys()) {
        if (exit === 2 && call === 0) continue;
        const expected = moved((at) => (at === call ? exit : depth));
        expect(relative(single.drift.mean[k]?.[call], mean(expected))).toBeLessThan(3e-3);
        // All samples move alike by what exit 2 does, up to rounding.
        if (exit === 1)
          expect(relative(single.drift.standardError[k]?.[call], errorOf(expected))).toBeLessThan(1e-3);
      }
    // What remembers cannot come first, and full depth moves nothing.
    expect(single.drift.mean[1]?.[0]).toBeNull();
    expect(single.drift.mean[2]).toEqual([0, 0, 0, 0, 0, 0]);
  });

  it('come with the excess of the exit where it is asked, in epsilon', async () => {
    const { single } = await measured();
    const noise = initialNoise(3, { from: 0, count: 6, length: 5 });
    // Exit 1 is off by a fifth of x, and the first x is the noise itself.
    const first = mean(Array.from(noise, (x) => (0.2 * x) ** 2));
    expect(relative(single.excess.mean[0]?.[0], first)).toBeLessThan(1e-3);
    // Exit 2 by a ten-thousandth of one stride.
    timesteps.slice(1).forEach((t, i) => {
      const stride = (timesteps[i] ?? NaN) - t;
      expect(relative(single.excess.mean[1]?.[i + 1], (1e-4 * stride) ** 2)).toBeLessThan(1e-2);
    });
    expect(single.excess.mean[1]?.[0]).toBeNull();
    const { single: inX0 } = await measured({
      ...{ diffusion: diffusion({ ...ddpmBetas, prediction: 'x0' }), pairs: 0, fewer: [] },
      // The same model, of x0: (x - sqrt(1 - a) epsilon) / sqrt(a).
      begin() {
        const predict = begin();
        return async (exit, x, t, y, call) => {
          const [epsilon, a] = [await predict(exit, x, t, y, call), alphaBar(process, t)];
          return x.map((value, j) => (value - Math.sqrt(1 - a) * (epsilon[j] ?? NaN)) / Math.sqrt(a));
        };
      },
    });
    expect(relative(inX0.excess.mean[0]?.[0], first)).toBeLessThan(1e-3);
  });

  it('of pairs are not the sums of both alone, and it says by how much', async () => {
    const { pairs, additive } = await measured();
    expect(pairs).toHaveLength(12);
    let [together, sums] = [0, 0];
    for (const { first, second, drift, sum } of pairs) {
      expect(first.call).toBeLessThan(second.call);
      const both = moved((at) => (at === first.call ? first.exit : at === second.call ? second.exit : depth));
      const alone = [first, second].map((one) => mean(moved((at) => (at === one.call ? one.exit : depth))));
      expect(relative(drift, mean(both))).toBeLessThan(2e-3);
      expect(relative(sum, mean(alone) * 2)).toBeLessThan(2e-3);
      together += mean(both);
      sums += mean(alone) * 2;
    }
    expect(relative(additive?.ratio, together / sums)).toBeLessThan(2e-3);
    expect(additive?.standardError).toBeGreaterThan(0);
    expect(additive?.rankCorrelation).toBeGreaterThan(0.5);
    // Mistakes of exit 1 all push the same way, so together they go further.
    expect(additive?.ratio).toBeGreaterThan(1.05);
  });

  it('of full depth in fewer steps are those to as many as there are', async () => {
    const { steps } = await measured();
    for (const [i, count] of [3, 4].entries()) {
      const expected = moved(() => depth, respace(1000, String(count)));
      expect(steps[i]?.steps).toBe(count);
      expect(relative(steps[i]?.drift, mean(expected))).toBeLessThan(1e-3);
      expect(relative(steps[i]?.standardError, errorOf(expected))).toBeLessThan(1e-3);
    }
    expect(steps[2]).toEqual({ steps: 6, drift: 0, standardError: 0 });
  });

  it('are the same in any batch', async () => {
    expect(await measured({ batch: 1 })).toEqual(await measured({ batch: 6 }));
  });

  it.each<[string, Partial<TrajectoriesOptions>]>([
    [
      'one that looks back',
      { solver: { kind: 'multistep', sees: 'image', order: 2, correction: 'midpoint', ending: 'last' } },
    ],
    ['one that calls twice in a step', { solver: { kind: 'edm', order: 2 } }],
    ['one that adds noise', { solver: { kind: 'ddpm', variance: 'small' } }],
  ])('follow any solver: %s', async (_, more) => {
    const { single, steps } = await measured({ ...more, pairs: 0, exits: exits.slice(0, 1) });
    expect(single.drift.mean[0]?.length).toBe(more.solver?.kind === 'edm' ? 11 : 6);
    for (const drift of single.drift.mean[0] ?? []) expect(drift).toBeGreaterThan(0);
    for (const { drift } of steps.slice(0, -1)) expect(drift).toBeGreaterThan(0);
  });

  it('take as many passes as it says', async () => {
    passes = 0;
    await measured();
    expect(passes).toBeCloseTo(6 * trajectoryPasses(options), 9);
    // 6 of the trajectory; exit 1 at call i goes on for 5 - i calls; exit 2 does from call 1 on, and asks for the call before.
    expect(trajectoryPasses({ ...options, pairs: 0, fewer: [] })).toBe(
      6 + (15 + 6 * 0.25) + (10 + 5 + 5 * 0.5),
    );
  });

  it('are of pairs that depend on the seed alone, none twice, and no more than there are', () => {
    const names = (more: Partial<TrajectoriesOptions> = {}): string[] =>
      pairsOf({ ...options, ...more }).map(({ first, second }) =>
        [first, second].map(({ call, exit }) => `${call} ${exit.exit}`).join(),
      );
    expect(names()).toEqual(names({ samples: 99 }));
    expect(names()).not.toEqual(names({ seed: 4 }));
    const all = names({ pairs: 1000 });
    expect(new Set(all).size).toBe(all.length);
    // 11 changes: any two, but not both exits at one of the last five calls.
    expect(all).toHaveLength(55 - 5);
    expect(pairsOf({ ...options, exits: [] })).toEqual([]);
  });

  it('have no additive model to judge where there are no pairs', async () => {
    const { pairs, additive } = await measured({ pairs: 0 });
    expect([pairs, additive]).toEqual([[], null]);
  });

  it('go on from a journal to the same numbers, with what it tells not measured again', async () => {
    const entries: Entry[] = [];
    const whole = await measured({
      journal: {
        async next(measure) {
          const entry = await measure();
          entries.push(entry);
          return entry;
        },
      },
    });
    for (const known of [0, 7, entries.length - 1, entries.length]) {
      let at = 0;
      const before = passes;
      const journal: Journal = {
        next: (measure) => {
          const entry = at < known ? entries[at] : undefined;
          at++;
          return entry ? Promise.resolve(entry) : measure();
        },
      };
      expect(await measured({ journal })).toEqual(whole);
      expect(at).toBe(entries.length);
      if (known === entries.length) expect(passes).toBe(before);
    }
  });

  it('stop on the signal', async () => {
    const controller = new AbortController();
    controller.abort();
    await expect(measured({ signal: controller.signal })).rejects.toThrow(Interrupted);
    await expect(measured({ signal: controller.signal })).rejects.toThrow('stopped after 0 of 6 samples');
  });
});
