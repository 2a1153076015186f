import { setTimeout } from 'node:timers/promises';
import { describe, expect, it } from '@jest/globals';
import { ddpmBetas, diffusion } from '../../src/diffusion/betas.js';
import { Interrupted } from '../../src/errors.js';
import { drawAll, drift, type Way } from '../../src/samplers/compare.js';
import { generateBatch, type GenerateOptions } from '../../src/samplers/generate.js';

const options: GenerateOptions = {
  solver: { kind: 'ddim', eta: 0 },
  diffusion: diffusion(ddpmBetas),
  timesteps: [800, 400, 0],
  clip: false,
  seed: 1,
  count: 5,
  batch: 2,
  length: 4,
  classes: 2,
  signal: new AbortController().signal,
};
const scaled = (name: string, by: number, heard: (name: string) => void = () => undefined): Way => ({
  name,
  begin: () => (x) => {
    heard(name);
    return Promise.resolve(x.map((value) => by * value));
  },
});
const silent = (): void => undefined;

describe('drawAll', () => {
  it('lets the ways take turns batch by batch', async () => {
    const turns: string[] = [];
    const note = (name: string): void => void turns.push(name);
    await drawAll(options, [scaled('a', 0.1, note), scaled('b', 0.2, note)], silent);
    // Batches of 2, 2 and 1, with three steps each.
    expect(turns.join('')).toBe('aaabbb'.repeat(3));
  });

  it('draws for each way what it would draw alone, in one batch', async () => {
    const ways = [scaled('a', 0.1), scaled('b', 0.2)];
    const { labels, drawn } = await drawAll(options, ways, silent);
    expect([...labels]).toEqual([0, 1, 0, 1, 0]);
    expect(drawn.map(({ name }) => name)).toEqual(['a', 'b']);
    for (const [i, way] of ways.entries())
      expect(drawn[i]?.images).toEqual(await generateBatch(options, 0, 5, way.begin()));
    expect(drawn[0]?.images).not.toEqual(drawn[1]?.images);
  });

  it('counts every step of every way, and ends at the total', async () => {
    const heard: [number, number][] = [];
    const note = (done: number, total: number): void => void heard.push([done, total]);
    await drawAll(options, [scaled('a', 0.1), scaled('b', 0.2)], note);
    expect(heard).toEqual(Array.from({ length: 18 }, (_, i) => [i + 1, 18]));
  });

  it('starts every batch of a way anew, with the steps of that way', async () => {
    const begun: number[][] = [];
    const own: Way = {
      name: 'own',
      timesteps: [700, 100],
      begin: () => {
        const seen: number[] = [];
        begun.push(seen);
        return (x, t) => {
          seen.push(t);
          return Promise.resolve(x);
        };
      },
    };
    const heard: number[] = [];
    await drawAll(options, [scaled('a', 0.1), own], (_done, total) => void heard.push(total));
    expect(begun).toEqual(Array.from({ length: 3 }, () => [700, 100]));
    // Three batches of three and of two steps.
    expect(heard).toEqual(Array.from({ length: 15 }, () => 15));
  });

  it('gives each way its own seconds', async () => {
    const slow: Way = {
      name: 'slow',
      begin: () => async (x) => {
        await setTimeout(10);
        return x;
      },
    };
    const { drawn } = await drawAll({ ...options, count: 2 }, [slow, scaled('quick', 0.1)], silent);
    const [first, second] = drawn.map(({ seconds }) => seconds);
    // Three steps of 10 ms; timers may be early by 1 ms.
    expect(first).toBeGreaterThan(0.027);
    expect(second).toBeLessThan(first ?? NaN);
  });

  it('ends with Interrupted on the signal, between two steps', async () => {
    const controller = new AbortController();
    let steps = 0;
    const stopping = scaled('a', 0.1, () => {
      if (++steps === 4) controller.abort();
    });
    const work = drawAll({ ...options, signal: controller.signal }, [stopping], silent);
    await expect(work).rejects.toThrow(Interrupted);
    expect(steps).toBe(4);
  });
});

describe('drift', () => {
  it('is the mean of squared differences', () => {
    expect(drift(Float32Array.of(1, 2, 3, 4), Float32Array.of(1, 0, 3, 5))).toBe((4 + 1) / 4);
    expect(drift(Float32Array.of(0.5), Float32Array.of(0.5))).toBe(0);
    expect(drift(new Float32Array(0), new Float32Array(0))).toBe(0);
  });
  it('refuses sets of different size', () => {
    expect(() => drift(new Float32Array(2), new Float32Array(3))).toThrow('sets of 2 and 3 numbers');
  });
});
