import { describe, expect, it } from '@jest/globals';
import { UserError } from '../../src/errors.js';
import { differenceOf } from '../../src/evaluate/estimate.js';
import { kernelDistance, kernelReference } from '../../src/evaluate/kid.js';
import { stream } from '../../src/random.js';
import { fixtureFloats, fixtureJson } from '../fixtures.js';
import { spreadOf } from './spread.js';

const real = fixtureFloats('metrics/features.safetensors', 'real');
const fake = fixtureFloats('metrics/features.safetensors', 'fake');
const expected = fixtureJson('metrics/expected.json') as { kid: { value: number } };

/** Normal vectors, moved by `shift` in every direction. */
function normals(seed: number, count: number, width: number, shift: number): Float32Array {
  return stream(seed, 'kernel distance')
    .normals(count * width)
    .map((x) => x + shift);
}

async function distance(x: Float32Array, y: Float32Array, width: number) {
  return kernelDistance(x, await kernelReference(y, width));
}

describe('the kernel distance', () => {
  it('is the recorded one, either way round', async () => {
    const { value } = expected.kid;
    expect(Math.abs((await distance(fake, real, 32)).value / value - 1)).toBeLessThan(1e-6);
    expect(Math.abs((await distance(real, fake, 32)).value / value - 1)).toBeLessThan(1e-6);
  });
  it('of two vectors each is the one written out', async () => {
    // k = (xy + 1)^3 of 0, 1 and 1, 2: within 1 and 27, between 1, 1, 8 and 27.
    const { value, terms, referenceTerms } = await distance(Float32Array.of(0, 1), Float32Array.of(1, 2), 1);
    expect(value).toBeCloseTo(1 + 27 - 2 * (37 / 4), 6);
    expect([...terms]).toEqual([2 * (1 - 1), 2 * (1 - 35 / 2)]);
    expect([...referenceTerms]).toEqual([2 * (27 - 9 / 2), 2 * (27 - 28 / 2)]);
  });
  it('is no less sure than its standard error says, for sets of one distribution', async () => {
    const draws = await Promise.all(
      Array.from({ length: 60 }, (_, i) =>
        distance(normals(2 * i, 60, 3, 0), normals(2 * i + 1, 60, 3, 0), 3),
      ),
    );
    const { mean, spread, meanError } = spreadOf(draws);
    // Unbiased: 0 on average. Too large by the root of 2.
    expect(Math.abs(mean)).toBeLessThan(4 * (spread / Math.sqrt(60)));
    expect(meanError / spread).toBeGreaterThan(1.1);
    expect(meanError / spread).toBeLessThan(1.75);
  });
  it('refuses sets of too few vectors, and numbers that are not finite', async () => {
    await expect(kernelReference(Float32Array.of(1, 2, 3), 3)).rejects.toThrow(UserError);
    const reference = await kernelReference(Float32Array.of(1, 2, 3, 4), 2);
    await expect(kernelDistance(Float32Array.of(1, 2, 3), reference)).rejects.toThrow(
      'a kernel distance got 3 numbers, expected at least two vectors of 2',
    );
    await expect(kernelDistance(Float32Array.of(1, 2, 3, NaN), reference)).rejects.toThrow(
      'got NaN in vector 1',
    );
  });
});

describe('the difference of two kernel distances from common noise', () => {
  it('is exactly nothing for one set twice', async () => {
    const reference = await kernelReference(real, 32);
    const [a, b] = [await kernelDistance(fake, reference), await kernelDistance(fake, reference)];
    expect(differenceOf(a, b)).toEqual({ value: 0, standardError: 0 });
  });
  it('is as sure as its standard error says, and surer than two distances apart', async () => {
    // 100 draws show a spread to 7 %; what each draw says of itself is an estimate, too.
    const draws = await Promise.all(
      Array.from({ length: 100 }, async (_, i) => {
        const reference = await kernelReference(normals(2 * i + 1, 90, 3, 0), 3);
        const noise = normals(2 * i, 60, 3, 0.7);
        const a = await kernelDistance(noise, reference);
        const b = await kernelDistance(
          noise.map((x) => 0.9 * x),
          reference,
        );
        return { a, difference: differenceOf(a, b) };
      }),
    );
    const alone = spreadOf(draws.map(({ a }) => a));
    const paired = spreadOf(draws.map(({ difference }) => difference));
    for (const { meanError, spread } of [alone, paired]) {
      expect(meanError / spread).toBeGreaterThan(0.85);
      expect(meanError / spread).toBeLessThan(1.2);
    }
    expect(paired.meanError).toBeLessThan(0.5 * alone.meanError);
  });
  it('needs sets of one size', async () => {
    const reference = await kernelReference(real, 32);
    const [a, b] = [
      await kernelDistance(fake, reference),
      await kernelDistance(fake.subarray(64), reference),
    ];
    expect(() => differenceOf(a, b)).toThrow('estimates of 300 and of 298 vectors are not paired');
  });
});
