// A folder of small made-up photographs, and the autoencoder of the fixtures.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import sharp from 'sharp';
import { stream } from '../../src/random.js';
import { fixturePath } from '../fixtures.js';

/** Makes latents of [4, 8, 8] from images of 16 pixels. */
export const vaePath = fixturePath('diffusers/vae');

/** Writes images of three classes in turn: ant/000.png, bee/001.png, cat/002.png, ant/003.png, ... */
export async function writePhotos(root: string, count: number): Promise<string> {
  for (let i = 0; i < count; i++) {
    const name = ['ant', 'bee', 'cat'][i % 3] ?? '';
    mkdirSync(join(root, name), { recursive: true });
    const random = stream(1, 'photo', i);
    const [width, height] = [16 + random.integer(20), 16 + random.integer(20)];
    const pixels = Uint8Array.from({ length: width * height * 3 }, () => 80 * (i % 3) + random.integer(60));
    await sharp(pixels, { raw: { width, height, channels: 3 } })
      .png()
      .toFile(join(root, name, `${String(i).padStart(3, '0')}.png`));
  }
  return root;
}
