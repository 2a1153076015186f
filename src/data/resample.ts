// How does Pillow resize an image? The same numbers, bit for bit: backbones were trained on images that it had resized.

/** Bytes of pixels, row by row, the channels of a pixel beside each other. */
export interface Pixels {
  readonly width: number;
  readonly height: number;
  readonly channels: number;
  readonly data: Uint8Array;
}

/** Part of an image: the whole is from 0 to its size. */
export interface Part {
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
}

export interface Filter {
  /** Weight at a distance from the middle, in places of the larger image. */
  readonly weight: (distance: number) => number;
  /** Distance from which on it is zero. */
  readonly support: number;
}

/** The mean of the places whose middles lie within; on the edge, of the right one alone. */
export const box: Filter = { support: 0.5, weight: (x) => (x > -0.5 && x <= 0.5 ? 1 : 0) };

/** A straight line on both sides, as wide as Pillow's BILINEAR. */
export const bilinear: Filter = { support: 1, weight: (x) => Math.max(0, 1 - Math.abs(x)) };

/** Keys' cubic with a = -0.5, Catmull-Rom. */
export const bicubic: Filter = {
  support: 2,
  weight(distance) {
    const x = Math.abs(distance);
    if (x < 1) return (1.5 * x - 2.5) * x * x + 1;
    return x < 2 ? ((-0.5 * x + 2.5) * x - 4) * x + 2 : 0;
  },
};

/**
 * Brings an image to width x height and gives a part of that: across first, then down, rounded to bytes after each, in
 * the fixed-point numbers of Pillow's `Image.resize`. What lies outside the part is not computed.
 */
export function resample(
  image: Pixels,
  { width, height }: Pick<Pixels, 'width' | 'height'>,
  filter: Filter,
  part: Part = { left: 0, top: 0, width, height },
): Pixels {
  const columns = windows(image.width, width, filter, part.left, part.width);
  const rows = windows(image.height, height, filter, part.top, part.height);
  const [first, last] = [rows[0]?.first ?? 0, rows.at(-1)];
  const lines = (last ? last.first + last.weights.length : 0) - first;
  return down(across(image, columns, first, lines), rows, first);
}

/** Places of the input that make one place of the output, and how much each counts, in parts of 2^22. */
interface Window {
  readonly first: number;
  readonly weights: Int32Array;
}

const one = 2 ** 22;

/** Windows of `count` places of the output, from `start` on. */
function windows(
  from: number,
  to: number,
  { weight, support }: Filter,
  start: number,
  count: number,
): Window[] {
  const scale = from / to;
  const stretch = Math.max(scale, 1);
  return Array.from({ length: count }, (_, i) => {
    // Pillow leaves a direction that keeps its size as it is.
    if (from === to) return { first: start + i, weights: Int32Array.of(one) };
    const middle = (start + i + 0.5) * scale;
    const first = Math.max(0, Math.trunc(middle - support * stretch + 0.5));
    const end = Math.min(from, Math.trunc(middle + support * stretch + 0.5));
    const exact = Float64Array.from({ length: end - first }, (_, k) =>
      weight((first + k - middle + 0.5) * (1 / stretch)),
    );
    const sum = exact.reduce((all, value) => all + value, 0);
    return { first, weights: Int32Array.from(exact, (value) => awayFromZero((value / sum) * one)) };
  });
}

function awayFromZero(value: number): number {
  return Math.trunc(value + (value < 0 ? -0.5 : 0.5));
}

/** Rows `top` to `top + lines - 1`, each with the columns of the windows. */
function across(
  { width, channels, data }: Pixels,
  columns: readonly Window[],
  top: number,
  lines: number,
): Pixels {
  const out = new Uint8Array(lines * columns.length * channels);
  let at = 0;
  for (let y = top; y < top + lines; y++)
    for (const { first, weights } of columns) {
      const from = (y * width + first) * channels;
      for (let c = 0; c < channels; c++) {
        let sum = one / 2;
        for (let k = 0; k < weights.length; k++)
          sum += (data[from + k * channels + c] ?? 0) * (weights[k] ?? 0);
        out[at++] = byte(sum);
      }
    }
  return { width: columns.length, height: lines, channels, data: out };
}

/** The rows of the windows. @param top which row the first one of the image is in them */
function down({ width, channels, data }: Pixels, rows: readonly Window[], top: number): Pixels {
  const line = width * channels;
  const out = new Uint8Array(rows.length * line);
  const sums = new Int32Array(line);
  rows.forEach(({ first, weights }, y) => {
    sums.fill(one / 2);
    weights.forEach((weight, k) => {
      const from = (first + k - top) * line;
      for (let p = 0; p < line; p++) sums[p] = (sums[p] ?? 0) + (data[from + p] ?? 0) * weight;
    });
    for (let p = 0; p < line; p++) out[y * line + p] = byte(sums[p] ?? 0);
  });
  return { width, height: rows.length, channels, data: out };
}

function byte(sum: number): number {
  return Math.min(Math.max(sum >> 22, 0), 255);
}
