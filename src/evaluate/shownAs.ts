// How does a network take images? Brought to its size, layout, channels and range, from the 8 bits that they are saved in.
import type { Dataset } from '../data/dataset.js';
import { byteOf } from '../data/memory.js';
import { bicubic, bilinear, box, resample, type Pixels } from '../data/resample.js';
import type { HostTensor } from '../engine/tensors.js';
import type { FeaturesFile } from './featuresFile.js';

/** Images that are shown: grey, or red, green and blue. */
export type ImageSize = Pick<Dataset, 'channels' | 'imageSize'>;

/** How they are to be shown. */
export type Showing = Pick<FeaturesFile, 'input' | 'resize' | 'mean' | 'std'>;

/**
 * @param images [count, channels, imageSize, imageSize] from -1 to 1
 * @returns [count, C, size, size] or [count, size, size, C], as the network has it
 */
export function shownAs(
  images: Float32Array,
  { channels, imageSize }: ImageSize,
  { input, resize, mean, std }: Showing,
): HostTensor & { readonly data: Float32Array } {
  const { size, layout } = input;
  const order = channelsOf(input.channels);
  const length = channels * imageSize ** 2;
  const count = images.length / length;
  const data = new Float32Array(count * order.length * size * size);
  const [across, between] = layout === 'NCHW' ? [1, size * size] : [order.length, 1];
  for (let i = 0; i < count; i++) {
    const image = resized(pixelsOf(images.subarray(i * length, (i + 1) * length), imageSize), size, resize);
    order.forEach((channel, c) => {
      // Grey stands for every colour.
      const from = channels === 1 ? 0 : channel;
      const [middle, spread] = [mean[c] ?? mean[0] ?? NaN, std[c] ?? std[0] ?? NaN];
      const at = i * order.length * size * size + c * between;
      for (let p = 0; p < size * size; p++)
        data[at + p * across] = ((image.data[p * channels + from] ?? NaN) / 255 - middle) / spread;
    });
  }
  return {
    shape: layout === 'NCHW' ? [count, order.length, size, size] : [count, size, size, order.length],
    data,
  };
}

/** Which channel of an image stands at each place of the network's. */
export function channelsOf(channels: Showing['input']['channels']): readonly number[] {
  return { grey: [0], RGB: [0, 1, 2], BGR: [2, 1, 0] }[channels];
}

/** @param image [channels, size, size] */
function pixelsOf(image: Float32Array, size: number): Pixels {
  const plane = size * size;
  const channels = image.length / plane;
  const data = new Uint8Array(image.length);
  for (let c = 0; c < channels; c++)
    for (let p = 0; p < plane; p++) data[p * channels + c] = byteOf(image[c * plane + p] ?? NaN);
  return { width: size, height: size, channels, data };
}

function resized(image: Pixels, size: number, how: Showing['resize']): Pixels {
  if (image.width === size || how === 'none') return image;
  return resample(image, { width: size, height: size }, { box, bilinear, bicubic }[how]);
}
