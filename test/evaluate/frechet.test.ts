import { describe, expect, it } from '@jest/globals';
import { UserError } from '../../src/errors.js';
import { frechetDistance, momentsOf } from '../../src/evaluate/frechet.js';
import { stream } from '../../src/random.js';
import { fixtureFloats, fixtureJson, fixtureTensors, pick } from '../fixtures.js';

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
