// How is a large image put together from overlapping tiles, so that no seam shows?

/** Tiles along one side. */
export interface Tiles {
  /** Where each begins, ascending, in latents; all are equally long, and the last ends with the image. */
  readonly starts: readonly number[];
  /** How much each counts at every pixel of that side; all together 1 everywhere. */
  readonly shares: readonly Float32Array[];
}

/** Of a tile, as in diffusers. */
const overlapShare = 0.25;

/** Latents that two neighbours have in common at least. @param tile side of a tile, at least 2 */
export function overlapOf(tile: number): number {
  return Math.max(1, Math.floor(tile * overlapShare));
}

/**
 * Where the next tile begins it takes over from what is there, evenly over the overlap, as diffusers' tiled decoding
 * does. There the last tile is shorter; here it begins earlier, so that all tiles have one size and one graph decodes them.
 * @param length side of the image, in latents
 * @param tile side of a tile, in latents, less than `length`
 * @param scale pixels to a latent
 */
export function tilesAlong(length: number, tile: number, scale: number): Tiles {
  const overlap = overlapOf(tile);
  const count = 1 + Math.ceil((length - tile) / (tile - overlap));
  const starts = Array.from({ length: count }, (_, i) => Math.min(i * (tile - overlap), length - tile));
  /** From 0 where tile i begins to 1 where it stands alone. */
  const rise = (i: number, pixel: number): number => {
    if (i === 0) return 1;
    const from = (starts[i] ?? 0) * scale;
    return Math.min(1, Math.max(0, (pixel - from) / (overlap * scale)));
  };
  const shares = starts.map((start, i) => {
    const share = new Float32Array(length * scale);
    for (let pixel = start * scale; pixel < (start + tile) * scale; pixel++) {
      let part = rise(i, pixel);
      for (let later = i + 1; later < count; later++) part *= 1 - rise(later, pixel);
      share[pixel] = part;
    }
    return share;
  });
  return { starts, shares };
}

/** A square of a larger square, both [C, side, side]. */
export function cut(
  whole: Float32Array,
  { channels, side }: { readonly channels: number; readonly side: number },
  { top, left, size }: { readonly top: number; readonly left: number; readonly size: number },
): Float32Array {
  const part = new Float32Array(channels * size * size);
  for (let c = 0, at = 0; c < channels; c++)
    for (let y = 0; y < size; y++, at += size) {
      const from = (c * side + top + y) * side + left;
      part.set(whole.subarray(from, from + size), at);
    }
  return part;
}

/** Where a decoded tile lies, and what it counts there. */
export interface Placed {
  /** Side of the tile, in pixels. */
  readonly size: number;
  readonly top: number;
  readonly left: number;
  /** Shares of the pixels along the whole image, downwards and to the right. */
  readonly rows: Float32Array;
  readonly columns: Float32Array;
}

/** Adds a tile's share to an image. @param image [C, side, side] @param tile [C, size, size] */
export function addTile(
  image: Float32Array,
  { channels, side }: { readonly channels: number; readonly side: number },
  tile: Float32Array,
  { size, top, left, rows, columns }: Placed,
): void {
  for (let c = 0; c < channels; c++)
    for (let y = 0; y < size; y++) {
      const row = rows[top + y] ?? 0;
      if (row === 0) continue;
      const to = (c * side + top + y) * side + left;
      const from = (c * size + y) * size;
      for (let x = 0; x < size; x++)
        image[to + x] = (image[to + x] ?? 0) + row * (columns[left + x] ?? 0) * (tile[from + x] ?? NaN);
    }
}
