// How do many small images become one picture? Side by side with a thin gap, enlarged, as a PNG.
import sharp from 'sharp';
import { byteOf } from '../data/memory.js';
import { UserError } from '../errors.js';

/** An encoded picture; TensorBoard takes it as it is. */
export interface Picture {
  readonly width: number;
  readonly height: number;
  /** 1 grey, 3 RGB. */
  readonly channels: 1 | 3;
  readonly png: Uint8Array;
}

export interface GridOptions {
  /** Channels of every image: 1 or 3. */
  readonly channels: number;
  /** Height and width of every image, in pixels. */
  readonly imageSize: number;
  /** Images in a row; as near to a square as it gets unless given. */
  readonly columns?: number;
  /** Every pixel becomes a square of scale x scale; 2 unless given, which shows a digit of 28 pixels well. */
  readonly scale?: number;
}

/** Dark grey: tells images with black ground apart, and is calm beside bright ones. */
const gapGrey = 64;

/**
 * Draws images row by row, one (enlarged) pixel apart; what the last row lacks has the colour of the gap.
 * @param images [B, C, H, W], -1 black to 1 full; values beyond are clipped, and what is not a number is black
 * @throws UserError if there are no images, or they have neither 1 nor 3 channels
 */
export async function imageGrid(images: Float32Array, options: GridOptions): Promise<Picture> {
  const { imageSize, scale = 2 } = options;
  const channels = drawable(options.channels);
  const count = countOf(images, channels, imageSize);
  const columns = options.columns ?? Math.ceil(Math.sqrt(count));
  whole('columns', columns);
  whole('scale', scale);
  const pitch = imageSize + 1;
  const width = (Math.min(columns, count) * pitch - 1) * scale;
  const height = (Math.ceil(count / columns) * pitch - 1) * scale;
  const pixels = new Uint8Array(width * height * channels);
  for (let y = 0, at = 0; y < height; y++) {
    const [row, fromTop] = cell(y, scale, pitch);
    for (let x = 0; x < width; x++) {
      const [column, fromLeft] = cell(x, scale, pitch);
      const image = row * columns + column;
      const isGap = fromTop === imageSize || fromLeft === imageSize || image >= count;
      for (let c = 0; c < channels; c++) {
        const from = ((image * channels + c) * imageSize + fromTop) * imageSize + fromLeft;
        pixels[at++] = isGap ? gapGrey : byteOf(images[from] ?? NaN);
      }
    }
  }
  // These pixels are ours: sharp's limit guards against images from elsewhere.
  const encoded = sharp(pixels, { raw: { width, height, channels }, limitInputPixels: false }).toColourspace(
    channels === 1 ? 'b-w' : 'srgb',
  );
  return { width, height, channels, png: await encoded.png().toBuffer() };
}

/** In which image a pixel of the picture lies, and which pixel of that image it is; the last one is the gap. */
function cell(position: number, scale: number, pitch: number): [number, number] {
  const pixel = Math.floor(position / scale);
  return [Math.floor(pixel / pitch), pixel % pitch];
}

function drawable(channels: number): 1 | 3 {
  if (channels === 1 || channels === 3) return channels;
  throw new UserError(
    `images have ${channels} channels, and only 1 (grey) or 3 (RGB) can be drawn. Decode latents to pixels first.`,
  );
}

function countOf(images: Float32Array, channels: number, imageSize: number): number {
  whole('imageSize', imageSize);
  const count = images.length / (channels * imageSize ** 2);
  if (!Number.isInteger(count))
    throw new RangeError(
      `${images.length} values are no whole number of images of ${channels} x ${imageSize} x ${imageSize}`,
    );
  if (count === 0) throw new UserError('there are no images to draw; give at least one.');
  return count;
}

function whole(name: string, value: number): void {
  if (!Number.isInteger(value) || value < 1)
    throw new UserError(`${name} of an image grid is ${value}, expected a whole number of at least 1.`);
}
