// Which pixels does a model see of an image file? Decoded by sharp, then cropped to a square as DiT's official code does.
import { readFile, stat } from 'node:fs/promises';
import sharp from 'sharp';
import { messageOf, UserError } from '../errors.js';
import { roundHalfToEven } from '../rounding.js';
import { bicubic, box, resample, type Pixels } from './resample.js';

/** A file that holds no sound image. */
export class BrokenImage extends UserError {}

export interface Square {
  /** Height and width, in pixels. */
  readonly size: number;
  /** 1: grey, 3: red, green, blue. */
  readonly channels: 1 | 3;
}

/** Larger images would fill the memory: three channels of them take 400 MB. */
const mostPixels = 2 ** 27;
const mostBytes = 2 ** 30;

/**
 * Reads an image as 8-bit sRGB or grey: turned upright as its EXIF data say, transparent parts on white, the first frame
 * of an animation. Embedded colour profiles are followed, 16 bits rounded down to 8.
 *
 * The crop is `center_crop_arr` of DiT's and ADM's code, bit for bit: halved by averaging while the short side has at
 * least twice the size, the short side brought to the size by bicubic interpolation, the centre cut out.
 * @returns [channels, size, size], 0..255
 * @throws BrokenImage if the file holds no sound image, or one that is too large
 * @throws UserError if there is no such file
 */
export async function readImage(path: string, { size, channels }: Square): Promise<Uint8Array> {
  const file = await bytesOf(path);
  try {
    return planes(cropped(await decoded(file, channels), size));
  } catch (error) {
    throw new BrokenImage(
      `${path}: cannot be read as an image (${messageOf(error)}). Mend it or take it away, or leave such files out ` +
        '(data.skipBroken, --skip-broken).',
    );
  }
}

/** The same image, mirrored left to right, in place. @param image [channels, size, size] */
export function mirror(image: Uint8Array | Float32Array, size: number): void {
  for (let row = 0; row < image.length; row += size) image.subarray(row, row + size).reverse();
}

async function bytesOf(path: string): Promise<Buffer> {
  try {
    const entry = await stat(path);
    // A pipe would wait for ever.
    if (!entry.isFile()) throw new Error('it is not a file');
    if (entry.size > mostBytes) throw new Error(`it has ${entry.size} bytes, at most ${mostBytes} are read`);
    return await readFile(path);
  } catch (error) {
    throw new UserError(`${path}: cannot be read (${messageOf(error)}). Was it moved or changed?`);
  }
}

async function decoded(file: Buffer, channels: 1 | 3): Promise<Pixels> {
  // Not by path: sharp would remember what was there before.
  const image = sharp(file, { autoOrient: true, failOn: 'error', limitInputPixels: mostPixels });
  const { format } = await image.metadata();
  // Drawings have no pixels of their own, and may name other files.
  if (format === 'svg' || format === 'pdf') throw new Error(`it is a drawing (${format}), expected pixels`);
  const { data, info } = await image
    .flatten({ background: 'white' })
    .toColourspace({ 1: 'b-w', 3: 'srgb' }[channels])
    .raw({ depth: 'uchar' })
    .toBuffer({ resolveWithObject: true });
  const { width, height } = info;
  if (info.channels !== channels) throw new Error(`it has ${info.channels} channels, expected ${channels}`);
  return { width, height, channels, data };
}

function cropped(whole: Pixels, size: number): Pixels {
  let image = whole;
  while (Math.min(image.width, image.height) >= 2 * size)
    image = resample(
      image,
      { width: Math.floor(image.width / 2), height: Math.floor(image.height / 2) },
      box,
    );
  const scale = size / Math.min(image.width, image.height);
  const [width, height] = [roundHalfToEven(image.width * scale), roundHalfToEven(image.height * scale)];
  const [left, top] = [Math.floor((width - size) / 2), Math.floor((height - size) / 2)];
  return resample(image, { width, height }, bicubic, { left, top, width: size, height: size });
}

function planes({ width, height, channels, data }: Pixels): Uint8Array {
  const size = width * height;
  const out = new Uint8Array(size * channels);
  for (let c = 0; c < channels; c++)
    for (let p = 0; p < size; p++) out[c * size + p] = data[p * channels + c] ?? 0;
  return out;
}
