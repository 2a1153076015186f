import { beforeAll, describe, expect, it } from '@jest/globals';
import { ddpmBetas, diffusion } from '../../src/diffusion/betas.js';
import { addNoise } from '../../src/diffusion/forward.js';
import { tf } from '../../src/engine/tf.js';
import { stream } from '../../src/random.js';
import { ddimStep } from '../../src/samplers/ddim.js';
import { movedByDdim, pairFeeds, type Pairs } from '../../src/training/pairs.js';

const schedule = diffusion(ddpmBetas);
const size = 16;
const t = Float32Array.of(0, 120, 480, 990);
const [clean, noise, epsilon] = [1, 2, 3].map((seed) => stream(seed, 'numbers').normals(4 * size)) as [
  Float32Array,
  Float32Array,
  Float32Array,
];
const feeds = (pairs: Pairs): Readonly<Record<string, Float32Array>> =>
  pairFeeds(pairs, schedule, { clean, noise, t }, stream(0, 'ages'));
const none = new Float32Array();

beforeAll(() => tf.setBackend('cpu'));

describe('pairs', () => {
  it('hold the same images with the same noise, one or two steps of the sampler earlier', () => {
    const { xFull, tFull = none, ...rest } = feeds({ steps: 25, every: 3, pairs: 'noise', ages: 'whole' });
    expect(xFull).toBeAllClose(addNoise(schedule, clean, noise, tFull), 1e-6);
    tFull.forEach((full, i) => expect([42, 83, 999 - (t[i] ?? NaN)]).toContain(full - (t[i] ?? NaN)));
    expect(rest).toEqual({});
  });

  it('are of every age as often', () => {
    const many = new Float32Array(3000).fill(100);
    const images = new Float32Array(3000);
    const { tFull = none } = pairFeeds(
      { steps: 25, every: 4, pairs: 'noise', ages: 'whole' },
      schedule,
      { clean: images, noise: images, t: many },
      stream(0, 'ages'),
    );
    for (const full of [142, 183, 225])
      // Within four standard errors, 4 sqrt(3000 / 3 * 2 / 3) = 103.
      expect(Math.abs(tFull.filter((at) => at === full).length - 1000)).toBeLessThan(103);
  });

  it('are of any age between, as often, where that is asked for', () => {
    const [many, images] = [new Float32Array(3000).fill(100), new Float32Array(3000)];
    const { tFull = none } = pairFeeds(
      { steps: 25, every: 4, pairs: 'noise', ages: 'between' },
      schedule,
      { clean: images, noise: images, t: many },
      stream(0, 'ages'),
    );
    const strides = tFull.map((full) => (full - 100) / (999 / 24));
    // Half a step to three and a half, the native times in whole numbers.
    expect(Math.min(...strides)).toBeCloseTo(0.5, 1);
    expect(Math.max(...strides)).toBeCloseTo(3.5, 1);
    for (const from of [0.5, 1, 1.5, 2, 2.5, 3])
      // Within four standard errors, 4 sqrt(3000 / 6 * 5 / 6) = 82, and one native t of 125 in each part.
      expect(Math.abs(strides.filter((at) => at >= from && at < from + 0.5).length - 500)).toBeLessThan(130);
  });

  it('of a solver move as DDIM does, and know the noise that is then in x', () => {
    const fed = feeds({ steps: 25, every: 3, pairs: 'solver', ages: 'whole' });
    const { xFull = none, tFull = none } = fed;
    const moved = tf.tidy(() => {
      const image = (of: Float32Array): tf.Tensor => tf.tensor(of, [4, 1, 4, 4]);
      const batch = Object.fromEntries(
        Object.entries({ ...fed, noise }).map(([name, data]) => [
          name,
          data.length === 4 ? tf.tensor1d(data) : image(data),
        ]),
      );
      const { x, noise: inX } = movedByDdim(batch, image(epsilon));
      return { x: x.dataSync() as Float32Array, noise: inX.dataSync() as Float32Array };
    });
    t.forEach((at, i) => {
      const own = (of: Float32Array): Float32Array => of.slice(i * size, (i + 1) * size);
      const alphaOf = (time: number): number => schedule.alphasCumprod[time] ?? NaN;
      const expected = ddimStep(
        {
          ...{ x: own(xFull), epsilon: own(epsilon), variance: undefined, clip: false },
          ...{ alpha: alphaOf(tFull[i] ?? NaN), alphaNext: alphaOf(at) },
          noise: () => none,
        },
        0,
      );
      // At the end of the diffusion x / sqrt(a') has two digits before the point more than the result.
      expect(own(moved.x)).toBeAllClose(expected, 1e-4);
      const inIt = addNoise(schedule, own(clean), own(moved.noise), [at]);
      expect(own(moved.x)).toBeAllClose(inIt, at === 0 ? 1e-4 : 1e-5);
    });
  });
});
