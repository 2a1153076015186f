import { describe, expect, it } from '@jest/globals';
import sharp from 'sharp';
import { UserError } from '../../src/errors.js';
import { imageGrid, type GridOptions, type Picture } from '../../src/report/grid.js';

const gap = 64;

/** Rows of pixels; grey pixels as numbers, others as lists. */
async function decoded(picture: Picture): Promise<(number | number[])[][]> {
  const { data, info } = await sharp(picture.png)
    .toColourspace(picture.channels === 1 ? 'b-w' : 'srgb')
    .raw()
    .toBuffer({ resolveWithObject: true });
  expect((await sharp(picture.png).metadata()).channels).toBe(picture.channels);
  expect([info.width, info.height, info.channels]).toEqual([picture.width, picture.height, picture.channels]);
  return Array.from({ length: info.height }, (_, y) =>
    Array.from({ length: info.width }, (_, x) => {
      const at = (y * info.width + x) * info.channels;
      const pixel = [...data.subarray(at, at + info.channels)];
      return pixel.length === 1 ? (pixel[0] ?? NaN) : pixel;
    }),
  );
}

const draw = async (values: readonly number[], options: GridOptions): Promise<(number | number[])[][]> =>
  decoded(await imageGrid(Float32Array.from(values), options));

describe('an image grid', () => {
  it('places images row by row with a gap between, and fills up the last row', async () => {
    const values = [-1, 1, 1, -1, 1, 1, -1, -1, -1, -1, -1, 1];
    expect(await draw(values, { channels: 1, imageSize: 2, columns: 2, scale: 1 })).toEqual([
      [0, 255, gap, 255, 255],
      [255, 0, gap, 0, 0],
      [gap, gap, gap, gap, gap],
      [0, 0, gap, gap, gap],
      [0, 255, gap, gap, gap],
    ]);
  });

  it('makes every pixel a square of equal pixels', async () => {
    expect(await draw([-1, 1, 0.2, -0.6], { channels: 1, imageSize: 1, columns: 2, scale: 3 })).toEqual([
      ...Array.from({ length: 3 }, () => [0, 0, 0, gap, gap, gap, 255, 255, 255]),
      ...Array.from({ length: 3 }, () => Array.from({ length: 9 }, () => gap)),
      ...Array.from({ length: 3 }, () => [153, 153, 153, gap, gap, gap, 51, 51, 51]),
    ]);
  });

  it('gives bytes back that were mapped to -1..1', async () => {
    const bytes = Array.from({ length: 256 }, (_, value) => value);
    const images = bytes.map((value) => value / 127.5 - 1);
    const pixels = await draw(images, { channels: 1, imageSize: 16, scale: 1 });
    expect(pixels.flat()).toEqual(bytes);
  });

  it('clips values beyond -1 and 1 and shows what is not a number as black', async () => {
    const values = [-1.5, 7, Infinity, NaN];
    const pixels = await draw(values, { channels: 1, imageSize: 2, scale: 1 });
    expect(pixels.flat()).toEqual([0, 255, 255, 0]);
  });

  it('joins the planes of RGB images', async () => {
    const red = [1, 1, 1, 1, -1, -1, -1, -1, -1, -1, -1, -1];
    const mixed = [-1, -1, -1, 1, -1, -1, 1, -1, 1, -1, -1, -1];
    const rows = await draw([...red, ...mixed], { channels: 3, imageSize: 2, columns: 2, scale: 1 });
    const grey = [gap, gap, gap];
    expect(rows).toEqual([
      [[255, 0, 0], [255, 0, 0], grey, [0, 0, 255], [0, 0, 0]],
      [[255, 0, 0], [255, 0, 0], grey, [0, 255, 0], [255, 0, 0]],
    ]);
  });

  it('shows 64 digits of 28 pixels as 8 rows of 8, twice as large, unless told otherwise', async () => {
    const picture = await imageGrid(new Float32Array(64 * 28 * 28), { channels: 1, imageSize: 28 });
    const size = 2 * (8 * 28 + 7);
    expect([picture.width, picture.height, picture.channels]).toEqual([size, size, 1]);
  });

  it('is no wider than its images', async () => {
    const picture = await imageGrid(new Float32Array(3), { channels: 1, imageSize: 1, columns: 8, scale: 1 });
    expect([picture.width, picture.height]).toEqual([5, 1]);
  });

  it('refuses latents, and says what to do', async () => {
    const drawn = imageGrid(new Float32Array(16), { channels: 4, imageSize: 2 });
    await expect(drawn).rejects.toThrow(UserError);
    await expect(drawn).rejects.toThrow(/4 channels.*only 1 \(grey\) or 3 \(RGB\).*Decode latents/);
  });

  it.each([
    ['no images', [], {}, /no images/],
    ['half a column', [0], { columns: 0.5 }, /columns .* 0.5/],
    ['a scale of 0', [0], { scale: 0 }, /scale .* 0/],
  ])('refuses %s', async (_, values, options, message) => {
    const drawn = imageGrid(Float32Array.from(values), { channels: 1, imageSize: 1, ...options });
    await expect(drawn).rejects.toThrow(UserError);
    await expect(drawn).rejects.toThrow(message);
  });

  it('refuses a cut-off image as a mistake of the caller', async () => {
    const drawn = imageGrid(new Float32Array(5), { channels: 1, imageSize: 2 });
    await expect(drawn).rejects.toThrow(RangeError);
  });
});
