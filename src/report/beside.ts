// How do two pictures stand side by side in one? Tops aligned, a white gap between.
import sharp from 'sharp';
import type { Picture } from './grid.js';

/** @param gap width of the white stripe between them, in pixels */
export async function beside(left: Picture, right: Picture, gap = 16): Promise<Picture> {
  const channels = left.channels === 1 && right.channels === 1 ? 1 : 3;
  const width = left.width + gap + right.width;
  const height = Math.max(left.height, right.height);
  const canvas = sharp({ create: { width, height, channels: 3, background: 'white' } });
  const both = canvas.composite([
    { input: Buffer.from(left.png), left: 0, top: 0 },
    { input: Buffer.from(right.png), left: left.width + gap, top: 0 },
  ]);
  const png = await both
    .toColourspace(channels === 1 ? 'b-w' : 'srgb')
    .png()
    .toBuffer();
  return { width, height, channels, png };
}
