import { describe, expect, it } from '@jest/globals';
import { contentOf } from '../../src/data/content.js';
import { imagesInMemory, type ImageDataset } from '../../src/data/memory.js';
import { UserError } from '../../src/errors.js';

const pixels = Uint8Array.from({ length: 600 * 4 }, (_, i) => (i * 7) % 256);
const labels = Uint8Array.from({ length: 600 }, (_, i) => i % 3);
const images = (more: Partial<ImageDataset> = {}): ImageDataset =>
  imagesInMemory({ name: 'a', channels: 1, imageSize: 2, classes: 3, pixels, labels, ...more });

describe('the content of a data set', () => {
  it('is the same whatever its name, and in every place', async () => {
    expect(await contentOf(images({ name: 'b', pixels: pixels.slice() }))).toBe(await contentOf(images()));
    expect(await contentOf(images())).toMatch(/^[0-9a-f]{64}$/);
  });
  it('follows from every pixel, label, count and shape', async () => {
    const changed = (bytes: Uint8Array, at: number): Uint8Array =>
      bytes.map((byte, i) => (i === at ? byte ^ 1 : byte));
    const contents = await Promise.all([
      contentOf(images()),
      contentOf(images(), 599),
      contentOf(images({ pixels: changed(pixels, 0) })),
      contentOf(images({ pixels: changed(pixels, 2399) })),
      contentOf(images({ labels: changed(labels, 599) })),
      contentOf(images({ classes: 4 })),
      contentOf(images({ channels: 4, imageSize: 1 })),
    ]);
    expect(new Set(contents).size).toBe(contents.length);
  });
  it('of the first examples says nothing of the others', async () => {
    const other = images({ pixels: pixels.map((byte, i) => (i < 4 * 520 ? byte : 0)) });
    expect(await contentOf(other, 520)).toBe(await contentOf(images(), 520));
    await expect(contentOf(images(), 601)).rejects.toThrow(UserError);
  });
});
