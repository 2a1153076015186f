// How well does one list of numbers say another? Skill, correlations and their confidence, without assumptions on units.

/** 1 - SSE(guess) / SSE(rival): above 0 where the guess is closer, 1 where it is exact. */
export function skill(truth: readonly number[], guess: readonly number[], rival: readonly number[]): number {
  const error = (of: readonly number[]): number =>
    truth.reduce((sum, value, i) => sum + (value - (of[i] ?? NaN)) ** 2, 0);
  return 1 - error(guess) / error(rival);
}

export function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** Pearson's correlation; 0 where one of both does not vary. */
export function correlation(a: readonly number[], b: readonly number[]): number {
  const [meanA, meanB] = [mean(a), mean(b)];
  let [ab, aa, bb] = [0, 0, 0];
  a.forEach((value, i) => {
    const [x, y] = [value - meanA, (b[i] ?? NaN) - meanB];
    ab += x * y;
    aa += x * x;
    bb += y * y;
  });
  return aa > 0 && bb > 0 ? ab / Math.sqrt(aa * bb) : 0;
}

/** Spearman's: the correlation of ranks, equal values sharing the mean of theirs. */
export function rankCorrelation(a: readonly number[], b: readonly number[]): number {
  return correlation(ranks(a), ranks(b));
}

function ranks(values: readonly number[]): number[] {
  const order = values.map((_, i) => i).sort((i, j) => (values[i] ?? NaN) - (values[j] ?? NaN));
  const out = new Array<number>(values.length).fill(0);
  for (let from = 0; from < order.length;) {
    let to = from + 1;
    while (to < order.length && values[order[to] ?? 0] === values[order[from] ?? 0]) to++;
    for (const i of order.slice(from, to)) out[i] = (from + to - 1) / 2;
    from = to;
  }
  return out;
}

/** 95 % interval of a correlation of n independent pairs: tanh(artanh r ± 1.96 / sqrt(n - 3)) (Fisher, 1921). */
export function correlationInterval(r: number, n: number): readonly [number, number] {
  if (n < 4) return [-1, 1];
  const [z, width] = [Math.atanh(r), 1.959964 / Math.sqrt(n - 3)];
  return [Math.tanh(z - width), Math.tanh(z + width)];
}

/** Least squares of y by x, a line; a constant where x does not vary. */
export function lineThrough(x: readonly number[], y: readonly number[]): (at: number) => number {
  const [meanX, meanY] = [mean(x), mean(y)];
  let [xy, xx] = [0, 0];
  x.forEach((value, i) => {
    xy += (value - meanX) * ((y[i] ?? NaN) - meanY);
    xx += (value - meanX) ** 2;
  });
  const slope = xx > 0 ? xy / xx : 0;
  return (at) => meanY + slope * (at - meanX);
}
