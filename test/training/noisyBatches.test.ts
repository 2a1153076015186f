import { describe, expect, it } from '@jest/globals';
import { batches } from '../../src/data/batches.js';
import { imagesInMemory } from '../../src/data/memory.js';
import { ddpmBetas, diffusion } from '../../src/diffusion/betas.js';
import { stream } from '../../src/random.js';
import { lambdas } from '../../src/training/lambda.js';
import { noisyBatches, type NoisyBatchOptions } from '../../src/training/noisyBatches.js';

const schedule = diffusion(ddpmBetas);
const random = stream(1, 'images');
const dataset = imagesInMemory({
  name: 'made up',
  channels: 1,
  imageSize: 4,
  classes: 5,
  pixels: Uint8Array.from({ length: 50 * 16 }, () => random.integer(256)),
  labels: Uint8Array.from({ length: 50 }, (_, i) => i % 5),
});
const options: NoisyBatchOptions = {
  seed: 3,
  batch: 8,
  diffusion: schedule,
  times: { kind: 'stratified' },
  timeWeights: { lambda: lambdas({ kind: 'min-snr', gamma: 5 }, schedule.alphasCumprod) },
  labelDropout: 0.1,
  none: 5,
};

describe('noisy batches', () => {
  it('depend on seed and step alone, not on what was asked before', async () => {
    const inOrder = noisyBatches(dataset, options);
    const forward = await Promise.all(Array.from({ length: 15 }, (_, step) => inOrder(step)));
    const jumping = noisyBatches(dataset, options);
    for (const step of [14, 3, 3, 0, 9]) expect(await jumping(step)).toEqual(forward[step]);
    const other = await noisyBatches(dataset, { ...options, seed: 4 })(3);
    for (const key of ['x', 'noise', 't', 'y'] as const) expect(other[key]).not.toEqual(forward[3]?.[key]);
    expect(forward[4]?.noise).not.toEqual(forward[3]?.noise);
  });

  it('hold the images of the step with exactly the noise they say, at the times they say', async () => {
    const { x, noise, t } = await noisyBatches(dataset, options)(6);
    const { x: clean } = await batches(dataset, options)(6);
    const expected = Array.from(clean, (value, i) => {
      const alpha = schedule.alphasCumprod[t[Math.floor(i / 16)] ?? NaN] ?? NaN;
      return Math.sqrt(alpha) * value + Math.sqrt(1 - alpha) * (noise[i] ?? NaN);
    });
    expect(x).toBeAllClose(expected, 1e-6);
  });

  it('come deepest first where times have depths, with the same times', async () => {
    const depths = Float32Array.from({ length: schedule.steps }, (_, t) => 12 - Math.floor(t / 100));
    const plain = await noisyBatches(dataset, options)(6);
    const { t, weights } = await noisyBatches(dataset, {
      ...options,
      timeWeights: { exit: depths },
      deepestFirst: depths,
    })(6);
    expect(t).toEqual(plain.t.toSorted());
    expect(t).not.toEqual(plain.t);
    expect(weights['exit']).toEqual(Float32Array.from(t, (at) => depths[at] ?? NaN));
  });

  it('weigh every sample by its time', async () => {
    const { t, weights } = await noisyBatches(dataset, options)(2);
    expect(t).toHaveLength(8);
    const snr = (at: number): number => {
      const alpha = schedule.alphasCumprod[at] ?? NaN;
      return alpha / (1 - alpha);
    };
    expect(Object.keys(weights)).toEqual(['lambda']);
    expect(weights['lambda']).toBeAllClose(
      Array.from(t, (at) => Math.min(snr(at), 5) / snr(at)),
      1e-6,
    );
  });

  it('drop the share of labels that they are told, and keep the others', async () => {
    const labelsOf = async (at: (step: number) => Promise<{ readonly y: Int32Array }>): Promise<number[]> =>
      (await Promise.all(Array.from({ length: 500 }, (_, step) => at(step)))).flatMap(({ y }) => [...y]);
    const labels = (labelDropout: number) => labelsOf(noisyBatches(dataset, { ...options, labelDropout }));
    const given = await labelsOf(batches(dataset, options));
    expect(await labels(0)).toEqual(given);
    expect(new Set(await labels(1))).toEqual(new Set([5]));
    const some = await labels(0.1);
    const dropped = some.filter((label) => label === 5).length;
    // 4000 draws at 0.1: three standard deviations are 57.
    expect(Math.abs(dropped - 400)).toBeLessThan(57);
    expect(some.filter((label, i) => label !== 5 && label !== given[i])).toEqual([]);
  });

  it('draw noise with mean 0 and variance 1 that no two samples share', async () => {
    const { noise } = await noisyBatches(dataset, { ...options, batch: 500 })(0);
    const mean = noise.reduce((sum, value) => sum + value, 0) / noise.length;
    const variance = noise.reduce((sum, value) => sum + value * value, 0) / noise.length;
    // 8000 numbers: three standard deviations of the mean are 0.034, of the variance 0.047.
    expect(Math.abs(mean)).toBeLessThan(0.034);
    expect(Math.abs(variance - 1)).toBeLessThan(0.047);
    expect(new Set(noise).size).toBeGreaterThan(7900);
  });
});
