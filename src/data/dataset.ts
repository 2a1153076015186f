// What is a data set? Numbered square examples, each with one label, that are read a batch at a time.
import type { Stream } from '../random.js';

/** Examples with their labels. */
export interface Batch {
  /** Images or latents, [B, C, H, W]. Images go from -1 (black) to 1; latents are scaled as diffusion sees them. */
  readonly x: Float32Array;
  /** Labels, [B]. */
  readonly y: Int32Array;
}

/**
 * Random numbers of one place in a batch: for what is drawn anew whenever an example is read, such as a flip. The same
 * place gets the same numbers, whatever was read before.
 */
export type Draws = (place: number) => Stream;

/** What is trained on, and what is held out. */
export type Split = 'train' | 'test';

/** Examples that are in memory, or read when they are asked for. */
export interface Dataset {
  /** For messages. */
  readonly name: string;
  readonly holds: 'images' | 'latents';
  /** Number of examples. */
  readonly count: number;
  readonly channels: number;
  /** Height and width. */
  readonly imageSize: number;
  /** Largest label plus one; 0 where labels say nothing. */
  readonly classes: number;
  /**
   * The examples of these numbers, each 0 to count - 1, in this order.
   * @throws UserError if one of them cannot be read, or is not sound
   */
  readonly read: (indices: Int32Array, draws: Draws) => Promise<Batch>;
}

/** The same examples without labels: all are 0. */
export function unlabelled(dataset: Dataset): Dataset {
  return {
    ...dataset,
    classes: 0,
    read: async (indices, draws) => ({
      x: (await dataset.read(indices, draws)).x,
      y: new Int32Array(indices.length),
    }),
  };
}
