import { describe, expect, it } from '@jest/globals';
import { UserError } from '../../src/errors.js';
import { manifoldOf, precisionRecall, type PrecisionRecall } from '../../src/evaluate/precisionRecall.js';
import { stream } from '../../src/random.js';
import { fixtureFloats, fixtureJson } from '../fixtures.js';

const file = 'metrics/features.safetensors';
const [real, fake] = [fixtureFloats(file, 'real'), fixtureFloats(file, 'fake')];
const expected = fixtureJson('metrics/expected.json') as { precision_recall: PrecisionRecall };

async function between(x: Float32Array, y: Float32Array, width: number): Promise<PrecisionRecall> {
  return precisionRecall(await manifoldOf(x, width), await manifoldOf(y, width));
}

describe('precision and recall', () => {
  it('are those recorded, with the radii recorded', async () => {
    const { precision, recall } = expected.precision_recall;
    expect(await between(fake, real, 32)).toEqual({ precision, recall });
    expect(await between(real, fake, 32)).toEqual({ precision: recall, recall: precision });
    const { radii } = await manifoldOf(real, 32);
    expect(radii.map(Math.sqrt)).toBeAllClose(fixtureFloats(file, 'knn_radius_real'), 1e-6);
  });
  it('are exact far from zero, where products in single precision keep no digit of a distance', async () => {
    // Distances of about 1 between vectors of squared length 3 million: rounding alone is a tenth of that.
    const moved = (x: Float32Array): Float32Array => x.map((value) => Math.fround(value) + 1000);
    const [a, b] = [moved(stream(1, 'a').normals(3 * 200)), moved(stream(2, 'b').normals(3 * 150))];
    expect(await between(a, b, 3)).toEqual(writtenOut(a, b, 3));
  });
  it('take a vector on the edge of a ball for one within', async () => {
    // Balls of the reference reach from 0 to 3, from 1 to 3, ...; 6 lies on the edge of that of 3, and -3 of that of 0.
    const reference = Float32Array.of(0, 1, 2, 3);
    expect(await between(Float32Array.of(-3, 6, -3.5, 6.5), reference, 1)).toEqual({
      precision: 0.5,
      recall: 1,
    });
  });
  it('of a set with itself are 1, also where all its vectors are one', async () => {
    const same = new Float32Array(5 * 7).fill(0.3);
    expect(await between(same, same, 7)).toEqual({ precision: 1, recall: 1 });
    expect(await between(real, real, 32)).toEqual({ precision: 1, recall: 1 });
  });
  it('need four vectors of finite numbers', async () => {
    await expect(manifoldOf(new Float32Array(6), 2)).rejects.toThrow(UserError);
    await expect(manifoldOf(new Float32Array(6), 2)).rejects.toThrow('expected at least four vectors of 2');
    await expect(manifoldOf(new Float32Array(8).fill(NaN), 2)).rejects.toThrow('got NaN in vector 0');
  });
});

/** The definition in double precision, pair by pair. */
function writtenOut(x: Float32Array, y: Float32Array, width: number): PrecisionRecall {
  const rows = (set: Float32Array): number[][] =>
    Array.from({ length: set.length / width }, (_, i) => [...set.subarray(i * width, (i + 1) * width)]);
  const distance = (a: readonly number[], b: readonly number[]): number =>
    a.reduce((sum, value, k) => sum + (value - b[k]!) ** 2, 0);
  const radius = (set: readonly number[][], i: number): number =>
    set
      .filter((_, j) => j !== i)
      .map((other) => distance(other, set[i]!))
      .toSorted((a, b) => a - b)[2]!;
  const share = (points: readonly number[][], set: readonly number[][]): number => {
    const radii = set.map((_, i) => radius(set, i));
    const inside = points.filter((point) => set.some((middle, i) => distance(point, middle) <= radii[i]!));
    return inside.length / points.length;
  };
  const [a, b] = [rows(x), rows(y)];
  return { precision: share(a, b), recall: share(b, a) };
}
