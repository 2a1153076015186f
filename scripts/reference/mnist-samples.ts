// What does MNIST look like? Writes datasets/mnist/samples.png: ten test images of each digit, a digit a row.
// Run: npx tsx scripts/reference/mnist-samples.ts
import sharp from 'sharp';
import { mnistFiles, openIdxDataset } from '../../src/data/idxDataset.js';

const columns = 10;
const { classes, imageSize, pixels, labels } = await openIdxDataset(mnistFiles('test'), 'mnist');
const length = imageSize * imageSize;
const indices = Array.from({ length: classes }, (_, digit) =>
  [...labels.keys()].filter((index) => labels[index] === digit).slice(0, columns),
);
const tiles = indices.flatMap((row, y) =>
  row.map((index, x) => ({
    input: Buffer.from(pixels.subarray(index * length, (index + 1) * length)),
    raw: { width: imageSize, height: imageSize, channels: 1 as const },
    left: x * imageSize,
    top: y * imageSize,
  })),
);
await sharp({
  create: { width: columns * imageSize, height: classes * imageSize, channels: 3, background: 'black' },
})
  .composite(tiles)
  .removeAlpha()
  .toColourspace('b-w')
  .png({ compressionLevel: 9 })
  .toFile('datasets/mnist/samples.png');
