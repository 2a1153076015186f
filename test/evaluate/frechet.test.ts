import { describe, expect, it } from '@jest/globals';
import { UserError } from '../../src/errors.js';
import { differenceOf } from '../../src/evaluate/estimate.js';
import { frechetDistance, frechetEstimate, frechetReference, momentsOf } from '../../src/evaluate/frechet.js';
import { stream } from '../../src/random.js';
import { fixtureFloats, fixtureJson, fixtureTensors, pick } from '../fixtures.js';
import { spreadOf } from './spread.js';

const features = fixtureTensors('metrics/features.safetensors');
const expected = fixtureJson('metrics/expected.json') as { fid: { value: number; mean_term: number } };
const width = 32;
const of = (name: string): Float32Array => fixtureFloats('metrics/features.safetensors', name);
const [real, fake] = [momentsOf(of('real'), width), momentsOf(of('fake'), width)];

describe('the Fréchet distance', () => {
  it('is the recorded one, either way round', () => {
    const { value } = expected.fid;
    expect(Math.abs(frechetDistance(real, fake) / value - 1)).toBeLessThan(1e-6);
    expect(Math.abs(frechetDistance(fake, real) / value - 1)).toBeLessThan(1e-6);
  });
  it('of a set to itself is zero, of a moved one the square of the way', () => {
    expect(Math.abs(frechetDistance(real, real))).toBeLessThan(1e-9);
    const moved = momentsOf(
      Float64Array.from(of('real'), (value, i) => value + (i % width === 3 ? 2 : 0)),
      width,
    );
    expect(frechetDistance(real, moved)).toBeCloseTo(4, 9);
  });
  it('of sets that fill no more than a plane is the one within it', () => {
    const flat = (scale: number): Float64Array =>
      Float64Array.from(stream(1, 'flat').normals(600), (value, i) => (i % 3 === 2 ? 0 : scale * value));
    // Covariances A and 9 A: tr(A) + 9 tr(A) - 2 * 3 tr(A)
    const [a, b] = [momentsOf(flat(1), 3), momentsOf(flat(3), 3)];
    const shift = a.mean.reduce((sum, value, i) => sum + (value - b.mean[i]!) ** 2, 0);
    expect(frechetDistance(a, b)).toBeCloseTo(shift + 4 * a.covariance.trace(), 9);
  });
});

describe('the moments of a set', () => {
  it('are those recorded', () => {
    expect(real.mean).toBeAllClose(pick(features, 'mu_real').data, 1e-6);
    expect(fake.covariance.to1DArray()).toBeAllClose(pick(features, 'sigma_fake').data, 1e-5);
  });
  it('need two vectors of finite numbers', () => {
    expect(() => momentsOf(new Float32Array(3), 3)).toThrow(UserError);
    expect(() => momentsOf(new Float32Array(7), 3)).toThrow(
      'got 7 numbers, expected at least two vectors of 3',
    );
    expect(() => momentsOf(Float32Array.of(1, 2, 3, NaN, 5, 6), 3)).toThrow('got NaN in vector 1');
  });
});

describe('the standard error of a Fréchet distance', () => {
  it('of one number is the one written out', () => {
    // In one dimension the distance is (m - n)^2 + (s - r)^2, and T is r / s.
    const [x, y] = [Float32Array.of(1, 2, 6), Float32Array.of(0, 2)];
    const { value, terms, referenceTerms } = frechetEstimate(x, frechetReference(y, 1));
    const [s, r] = [Math.sqrt(7), Math.sqrt(2)];
    expect(value).toBeCloseTo(4 + (s - r) ** 2, 12);
    const term = (d: number, shift: number, map: number): number => 2 * shift * d + (1 - map) * d * d;
    expect([...terms]).toBeAllClose(
      [-2, -1, 3].map((d) => term(d, 2, r / s)),
      1e-12,
    );
    expect([...referenceTerms]).toBeAllClose(
      [-1, 1].map((d) => term(d, -2, s / r)),
      1e-12,
    );
  });
  it('is the spread of distances of sets drawn anew, alone and paired', () => {
    const draws = Array.from({ length: 150 }, (_, i) => {
      const noise = stream(2 * i, 'x').normals(4 * 200);
      const reference = frechetReference(stream(2 * i + 1, 'y').normals(4 * 300), 4);
      const a = frechetEstimate(
        noise.map((z) => 1.3 * z + 0.5),
        reference,
      );
      const b = frechetEstimate(
        noise.map((z, k) => (k % 4 === 0 ? z : 1.3 * z) + 0.5),
        reference,
      );
      return { a, difference: differenceOf(a, b) };
    });
    const alone = spreadOf(draws.map(({ a }) => a));
    const paired = spreadOf(draws.map(({ difference }) => difference));
    // 150 draws show a spread to 6 %.
    for (const { meanError, spread } of [alone, paired]) {
      expect(meanError / spread).toBeGreaterThan(0.85);
      expect(meanError / spread).toBeLessThan(1.2);
    }
    expect(paired.meanError).toBeLessThan(0.7 * alone.meanError);
  });
  it('is finite where vectors fill no more than a plane', () => {
    const flat = (seed: number): Float32Array =>
      stream(seed, 'flat')
        .normals(600)
        .map((value, i) => (i % 3 === 2 ? 0 : value * seed));
    const { standardError } = frechetEstimate(flat(1), frechetReference(flat(2), 3));
    expect(standardError).toBeGreaterThan(0.01);
    expect(standardError).toBeLessThan(1);
  });
});
