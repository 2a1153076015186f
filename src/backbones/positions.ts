// Where is a patch? The fixed table of sines and cosines that DiT and PixArt add to their tokens.
import type { BackboneSpec } from './backbone.js';

/**
 * [N, D], row by row: a half of each vector encodes the column, the other the row; in it all sines, then all cosines,
 * of place 10000^(-j / (D / 4)).
 * @param interpolation by how much places are divided: a model that was trained on smaller images sees larger ones in the
 * same range
 */
export function positions(
  { width, patch, imageSize }: Pick<BackboneSpec, 'width' | 'patch' | 'imageSize'>,
  interpolation = 1,
): Float32Array {
  const side = imageSize / patch;
  const quarter = width / 4;
  const frequencies = Array.from({ length: quarter }, (_, j) => 10000 ** (-j / quarter));
  const waves = Array.from({ length: side }, (_, i) => {
    const place = i / interpolation;
    return Float32Array.from([
      ...frequencies.map((f) => Math.sin(place * f)),
      ...frequencies.map((f) => Math.cos(place * f)),
    ]);
  });
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
