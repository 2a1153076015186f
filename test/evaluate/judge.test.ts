import { describe, expect, it } from '@jest/globals';
import { estimateOf } from '../../src/evaluate/estimate.js';
import { judge, pooled, referenceOf } from '../../src/evaluate/judge.js';
import { fixtureFloats, fixtureJson } from '../fixtures.js';

const file = 'metrics/features.safetensors';
const [real, fake] = [fixtureFloats(file, 'real'), fixtureFloats(file, 'fake')];
const expected = fixtureJson('metrics/expected.json') as {
  readonly fid: { readonly value: number };
  readonly kid: { readonly value: number };
  readonly precision_recall: { readonly precision: number; readonly recall: number };
};

describe('a judgement', () => {
  it('holds every measure, as recorded', async () => {
    const found = await judge(
      { features: fake, probabilities: undefined },
      undefined,
      await referenceOf(real, 32),
    );
    expect(found.fid.value / expected.fid.value).toBeCloseTo(1, 6);
    expect(found.kid.value / expected.kid.value).toBeCloseTo(1, 6);
    const { precision, recall } = expected.precision_recall;
    expect(found).toMatchObject({ precision, recall });
    expect(found).toMatchObject({ inceptionScore: undefined, agreement: undefined });
  });

  it('counts the samples that show their label, and how sure and how many the classes are', async () => {
    const features = Float32Array.of(0, 1, 3, 7);
    const reference = await referenceOf(Float32Array.of(0, 2, 4, 6), 1);
    const probabilities = Float32Array.of(1, 0, 0, 1, 1, 0, 0, 1);
    const { agreement, inceptionScore } = await judge(
      { features, probabilities },
      Int32Array.of(0, 1, 1, 1),
      reference,
    );
    expect(agreement).toBe(3 / 4);
    // Two classes, both certain and equally many.
    expect(inceptionScore).toBeCloseTo(2, 12);
  });
});

describe('a distance of several seeds', () => {
  it('is the mean of theirs, with the error of all samples and of the mean part of each reference vector', () => {
    const one = estimateOf(1, Float64Array.of(1, 3), Float64Array.of(0, 4));
    const two = estimateOf(2, Float64Array.of(5, 7), Float64Array.of(2, 0));
    const { value, standardError } = pooled([one, two]);
    expect(value).toBe(1.5);
    // Terms 1, 3, 5, 7: variance 20/3 over 4; mean reference terms 1, 2: variance 1/2 over 2.
    expect(standardError).toBeCloseTo(Math.sqrt(20 / 3 / 4 + 0.5 / 2), 12);
  });
});
