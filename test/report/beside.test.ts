import { describe, expect, it } from '@jest/globals';
import sharp from 'sharp';
import { beside } from '../../src/report/beside.js';
import { imageGrid } from '../../src/report/grid.js';

describe('two pictures side by side', () => {
  it('keep their pixels, with white between and below the lower one', async () => {
    const options = { channels: 1, imageSize: 1, columns: 1, scale: 1 };
    const left = await imageGrid(Float32Array.of(-1), options);
    const right = await imageGrid(Float32Array.of(1, -1), options);
    const picture = await beside(left, right, 2);
    expect(picture).toMatchObject({ width: 4, height: 3, channels: 1 });
    const { data, info } = await sharp(picture.png)
      .toColourspace('b-w')
      .raw()
      .toBuffer({ resolveWithObject: true });
    expect([info.width, info.height, info.channels]).toEqual([4, 3, 1]);
    expect([...data]).toEqual([0, 255, 255, 255, 255, 255, 255, 64, 255, 255, 255, 0]);
  });
});
