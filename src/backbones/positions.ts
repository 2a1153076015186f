// Where is a patch? The fixed table of sines and cosines that DiT adds to its tokens.
import type { DitSpec } from './backbone.js';

/**
 * [N, D], row by row: a half of each vector encodes the column, the other the row; in it all sines, then all cosines,
 * of place 10000^(-j / (D / 4)).
 */
export function positions({ width, patch, imageSize }: DitSpec): Float32Array {
  const side = imageSize / patch;
  const quarter = width / 4;
  const frequencies = Array.from({ length: quarter }, (_, j) => 10000 ** (-j / quarter));
  const waves = Array.from({ length: side }, (_, place) =>
    Float32Array.from([
      ...frequencies.map((f) => Math.sin(place * f)),
      ...frequencies.map((f) => Math.cos(place * f)),
    ]),
  );
  const table = new Float32Array(side * side * width);
  waves.forEach((row, i) => {
    waves.forEach((column, j) => {
      const at = (i * side + j) * width;
      table.set(column, at);
      table.set(row, at + width / 2);
    });
  });
  return table;
}
