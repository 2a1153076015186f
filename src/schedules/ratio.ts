// What is the ratio of two means over the same samples, and how sure is it?

export interface Ratio {
  /** One sample. */
  add(above: number, below: number): void;
  /** mean(above) / mean(below); 0 where nothing is below, for then nothing was seen. */
  value(): number;
  /** By the delta method: deviation of above - value * below, over sqrt(count) times the mean of below. */
  standardError(): number;
}

export function ratio(): Ratio {
  const pairs: (readonly [number, number])[] = [];
  const sum = (of: (pair: readonly [number, number]) => number): number =>
    pairs.reduce((total, pair) => total + of(pair), 0);
  const value = (): number => {
    const below = sum(([, below]) => below);
    return below > 0 ? sum(([above]) => above) / below : 0;
  };
  return {
    add: (above, below) => void pairs.push([above, below]),
    value,
    standardError() {
      const [r, n, below] = [value(), pairs.length, sum(([, below]) => below)];
      if (n < 2 || !(below > 0)) return 0;
      const spread = sum(([above, below]) => (above - r * below) ** 2) / (n - 1);
      return Math.sqrt(spread / n) / (below / n);
    },
  };
}
