// How are images that lie in memory as bytes a data set?
import type { Dataset } from './dataset.js';

/** Square labelled images of bytes. */
export interface ImageBytes {
  readonly name: string;
  readonly channels: number;
  /** Height and width, in pixels. */
  readonly imageSize: number;
  /** Largest label plus one; 0 where labels say nothing. */
  readonly classes: number;
  /** [count, channels, imageSize, imageSize], 0..255. */
  readonly pixels: Uint8Array;
  /** [count], 0..classes-1. */
  readonly labels: Uint8Array;
}

/** A data set whose bytes can be looked at. */
export type ImageDataset = Dataset & ImageBytes;

export function imagesInMemory(images: ImageBytes): ImageDataset {
  const { channels, imageSize, pixels, labels } = images;
  const size = channels * imageSize * imageSize;
  return {
    ...images,
    ...{ holds: 'images', count: labels.length },
    read: (indices) => {
      const x = new Float32Array(indices.length * size);
      indices.forEach((index, i) =>
        writeImage(x, i * size, pixels.subarray(index * size, (index + 1) * size)),
      );
      return Promise.resolve({ x, y: Int32Array.from(indices, (index) => labels[index] ?? 0) });
    },
  };
}

/** Writes bytes as numbers from -1 (byte 0) to 1 (byte 255), from place `at` on. */
export function writeImage(x: Float32Array, at: number, bytes: Uint8Array): void {
  for (let p = 0; p < bytes.length; p++) x[at + p] = (bytes[p] ?? 0) / 127.5 - 1;
}

/** The byte of a number from -1 to 1, halves up; what lies beyond is cut off. */
export function byteOf(value: number): number {
  return Math.round((Math.min(1, Math.max(-1, value)) + 1) * 127.5);
}
