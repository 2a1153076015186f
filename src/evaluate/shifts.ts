// How does a classifier see more images than there are? Each is moved by a few pixels, anew in every batch.
import { sizeOf } from '../engine/tensors.js';
import type { Stream } from '../random.js';

/** Black: what moves in from beyond the edge. */
const background = -1;

/**
 * Moves every image by a random whole number of pixels, down and to the right (negative: up and to the left), each
 * uniform from -limit to limit. What leaves the image is lost; the channels of an image move together.
 * @param images [B, C, S, S] from -1 to 1; not changed
 * @param shape [C, S, S]
 * @param limit below S
 */
export function shifted(
  images: Float32Array,
  shape: readonly [number, number, number],
  limit: number,
  random: Stream,
): Float32Array {
  const [channels, size] = shape;
  const out = new Float32Array(images.length);
  const steps = 2 * limit + 1;
  for (let from = 0; from < images.length; from += sizeOf(shape)) {
    const down = random.integer(steps) - limit;
    const right = random.integer(steps) - limit;
    for (let c = 0; c < channels; c++) {
      const plane = from + c * size * size;
      const area = [plane, plane + size * size] as const;
      move(images.subarray(...area), out.subarray(...area), size, down, right);
    }
  }
  return out;
}

/** One copy moves all rows at once; the pixels that wrap around into the next row are among those painted over. */
function move(from: Float32Array, to: Float32Array, size: number, down: number, right: number): void {
  const offset = down * size + right;
  if (offset >= 0) to.set(from.subarray(0, from.length - offset), offset);
  else to.set(from.subarray(-offset));
  if (down > 0) to.fill(background, 0, down * size);
  if (down < 0) to.fill(background, to.length + down * size);
  const first = right > 0 ? 0 : size + right;
  const count = Math.abs(right);
  for (let row = 0; row < size; row++)
    for (let x = first; x < first + count; x++) to[row * size + x] = background;
}
