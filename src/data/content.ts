// Are these the same examples? A hash of the numbers that are read, wherever they lie.
import { createHash } from 'node:crypto';
import { examples } from './batches.js';
import type { Dataset } from './dataset.js';

/** Examples at a time. */
const batch = 512;

/**
 * SHA-256 in hex of the first `count` examples as `examples` gives them, with labels and shape. Names and times of files
 * say nothing about content, and of image files the pixels count that are seen, so all are read and decoded: a second
 * for MNIST, a minute for 10,000 photographs.
 * @throws UserError if the data set holds fewer, or one cannot be read
 */
export async function contentOf(dataset: Dataset, count: number = dataset.count): Promise<string> {
  const { channels, imageSize, classes } = dataset;
  const hash = createHash('sha256').update(JSON.stringify([count, channels, imageSize, classes]));
  for (let from = 0; from < count; from += batch) {
    const { x, y } = await examples(dataset, from, Math.min(batch, count - from));
    for (const { buffer, byteOffset, byteLength } of [x, y])
      hash.update(new Uint8Array(buffer, byteOffset, byteLength));
  }
  return hash.digest('hex');
}
