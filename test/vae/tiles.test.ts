import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { onnxEngine } from '../../src/engine/onnx.js';
import { stream } from '../../src/random.js';
import { openVaeDecoder } from '../../src/vae/decoder.js';
import { openVae } from '../../src/vae/openVae.js';
import { toDiffusion } from '../../src/vae/scaling.js';
import { cut, overlapOf, tilesAlong } from '../../src/vae/tiles.js';
import { pick } from '../fixtures.js';
import { folder, tinySpec, tinyTiled } from '../tiny-vae.js';

const engine = onnxEngine({ threads: 1, reason: 'test' });
const vae = await openVae(folder);
const z = Float32Array.from(pick(tinyTiled, 'z').data);
const side = 28;

const meanSquare = (values: Float32Array): number =>
  values.reduce((sum, v) => sum + v * v, 0) / values.length;

/** Values of all channels at pixels that a condition holds for. */
function pixels(image: ArrayLike<number>, chosen: (y: number, x: number) => boolean): number[] {
  return Array.from(image).filter((_, i) => chosen(Math.floor(i / side) % side, i % side));
}

describe('tiles along a side', () => {
  it('cover it, overlap by a quarter at least, and count as 1 together at every pixel', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 2, max: 40 }),
        fc.integer({ min: 1, max: 200 }),
        fc.constantFrom(1, 2, 8),
        (tile, more, scale) => {
          const length = tile + more;
          const { starts, shares } = tilesAlong(length, tile, scale);
          expect(starts[0]).toBe(0);
          expect(starts.at(-1)).toBe(length - tile);
          for (const [i, start] of starts.slice(1).entries())
            expect((starts[i] ?? 0) + tile - start).toBeGreaterThanOrEqual(overlapOf(tile));
          for (let pixel = 0; pixel < length * scale; pixel++) {
            const parts = shares.map((share) => share[pixel] ?? NaN);
            expect(parts.every((part) => part >= 0)).toBe(true);
            expect(parts.reduce((sum, part) => sum + part, 0)).toBeCloseTo(1, 5);
          }
          for (const [i, share] of shares.entries()) {
            const from = (starts[i] ?? 0) * scale;
            expect(share.every((part, p) => part === 0 || (p >= from && p < from + tile * scale))).toBe(true);
          }
        },
      ),
      { numRuns: 60 },
    );
  });

  it('take over evenly where they overlap', () => {
    const { starts, shares } = tilesAlong(14, 8, 2);
    expect(starts).toEqual([0, 6]);
    expect([...(shares[1] ?? [])].slice(10, 18)).toEqual([0, 0, 0, 0.25, 0.5, 0.75, 1, 1]);
    expect([...(shares[0] ?? [])].slice(10, 18)).toEqual([1, 1, 1, 0.75, 0.5, 0.25, 0, 0]);
  });
});

describe('decoding in tiles', () => {
  it('equals the tiled decoding of diffusers, corners and their last short tile aside', async () => {
    const decoder = await openVaeDecoder(engine, vae, { latentSize: 14, tile: 8 });
    const image = await decoder.decode(toDiffusion(tinySpec, z));
    await decoder.dispose();
    // Diffusers blend corners in another order, and end with a third tile of 2 latents, from pixel 24 on.
    const common = (y: number, x: number): boolean =>
      y < 24 && x < 24 && (y < 12 || y >= 16 || x < 12 || x >= 16);
    const theirs = pick(tinyTiled, 'tiled').data;
    expect(pixels(image, common)).toBeAllClose(pixels(theirs, common), 1e-5);
  });

  it('gives exactly what a tile alone gives, away from the seams', async () => {
    const scaled = toDiffusion(tinySpec, z);
    const tiled = await openVaeDecoder(engine, vae, { latentSize: 14, tile: 8 });
    const alone = await openVaeDecoder(engine, vae, { latentSize: 8 });
    const image = await tiled.decode(scaled);
    for (const [top, left] of [
      [0, 0],
      [0, 6],
      [6, 0],
      [6, 6],
    ] as const) {
      const tile = await alone.decode(cut(scaled, { channels: 4, side: 14 }, { top, left, size: 8 }));
      // 12 pixels from the outer edges belong to this tile alone.
      const [fromTop, fromLeft] = [top === 0 ? 0 : 4, left === 0 ? 0 : 4];
      const inner = (whole: Float32Array, edge: number, y: number, x: number): Float32Array =>
        cut(whole, { channels: 3, side: edge }, { top: y, left: x, size: 12 });
      const expected = inner(tile, 16, fromTop, fromLeft);
      expect([...inner(image, side, 2 * top + fromTop, 2 * left + fromLeft)]).toEqual([...expected]);
    }
    await Promise.all([tiled.dispose(), alone.dispose()]);
  });

  it('comes the nearer to the image decoded whole, the more a tile sees', async () => {
    const latents = stream(0, 'latents').normals(4 * 48 ** 2);
    const decoded = async (tile?: number): Promise<Float32Array> => {
      const decoder = await openVaeDecoder(engine, vae, { latentSize: 48, tile });
      const image = await decoder.decode(latents);
      await decoder.dispose();
      return image;
    };
    const whole = await decoded();
    const spread = meanSquare(whole);
    const moved: number[] = [];
    for (const tile of [8, 16, 32]) {
      const image = await decoded(tile);
      moved.push(Math.sqrt(meanSquare(whole.map((v, i) => v - (image[i] ?? NaN))) / spread));
    }
    const [few = NaN, more = NaN, most = NaN] = moved;
    expect(more).toBeLessThan(few);
    expect(most).toBeLessThan(more);
    expect(most).toBeLessThan(0.2);
  });

  it('leaves latents alone that fit into one tile', async () => {
    const plain = await openVaeDecoder(engine, vae, { latentSize: 14 });
    const roomy = await openVaeDecoder(engine, vae, { latentSize: 14, tile: 20 });
    expect(await roomy.decode(z)).toEqual(await plain.decode(z));
    expect(roomy.macs).toBe(plain.macs);
    await Promise.all([plain.dispose(), roomy.dispose()]);
  });

  it('refuses tiles that cannot overlap', async () => {
    await expect(openVaeDecoder(engine, vae, { latentSize: 14, tile: 1 })).rejects.toThrow(/at least 2/);
  });
});
