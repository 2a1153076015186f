// How do CIFAR-10's own binary files become folders of images?
// npx tsx scripts/datasets/cifar10.ts cifar-10-batches-bin cifar10
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import sharp from 'sharp';
import { makeFolder } from '../../src/files/disk.js';
import { writeFileAtomic } from '../../src/files/write.js';

const side = 32;
const plane = side * side;
/** The label, then the planes red, green and blue. */
const record = 1 + 3 * plane;
const files = {
  train: [1, 2, 3, 4, 5].map((part) => `data_batch_${part}.bin`),
  test: ['test_batch.bin'],
} as const;

const [source, out] = process.argv.slice(2);
if (source === undefined || out === undefined)
  throw new Error('give the folder cifar-10-batches-bin, and a folder to write');

const names = (await readFile(join(source, 'batches.meta.txt'), 'utf8')).trim().split(/\s+/);
for (const [split, batches] of Object.entries(files)) {
  for (const name of names) await makeFolder(join(out, split, name));
  let count = 0;
  for (const batch of batches) {
    const bytes = await readFile(join(source, batch));
    if (bytes.length === 0 || bytes.length % record !== 0)
      throw new Error(`${batch} has ${bytes.length} bytes, expected a multiple of ${record}`);
    for (let at = 0; at < bytes.length; at += record)
      await writeImage(bytes.subarray(at, at + record), count++);
  }
  console.log(`${count} images of ${side} x ${side} written to ${join(out, split)}`);

  async function writeImage([label = NaN, ...planes]: Uint8Array, index: number): Promise<void> {
    const name = names[label];
    if (name === undefined)
      throw new Error(`image ${index} has label ${label}, expected 0 to ${names.length - 1}`);
    const pixels = Uint8Array.from(
      { length: 3 * plane },
      (_, i) => planes[(i % 3) * plane + Math.floor(i / 3)] ?? 0,
    );
    const image = sharp(pixels, { raw: { width: side, height: side, channels: 3 } });
    const path = join(out ?? '', split, name, `${String(index).padStart(5, '0')}.png`);
    await writeFileAtomic(path, await image.png().toBuffer());
  }
}
