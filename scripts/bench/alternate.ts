// How do engines compare? Candidates take turns within one run, because a shared machine drifts between runs.
import { performance } from 'node:perf_hooks';

export interface Candidate {
  readonly name: string;
  readonly images: number;
  readonly run: () => Promise<unknown>;
}

/** Warms each candidate up twice, then lets them alternate; images/s of the best and of the median round. */
export async function alternate(candidates: readonly Candidate[], rounds: number): Promise<void> {
  const seconds = new Map<string, number[]>(candidates.map(({ name }) => [name, []]));
  for (let round = -2; round < rounds; round++)
    for (const { name, run } of candidates) {
      const start = performance.now();
      await run();
      if (round >= 0) seconds.get(name)?.push((performance.now() - start) / 1000);
    }
  const rows = candidates.map(({ name, images }) => {
    const sorted = (seconds.get(name) ?? []).toSorted((a, b) => a - b);
    const best = images / (sorted[0] ?? NaN);
    return { name, best, median: images / (sorted[Math.floor(sorted.length / 2)] ?? NaN) };
  });
  const slowest = Math.min(...rows.map(({ median }) => median));
  console.log(
    `${'engine'.padEnd(10)}${'images/s (best)'.padStart(18)}${'(median)'.padStart(12)}${'ratio'.padStart(9)}`,
  );
  for (const { name, best, median } of rows)
    console.log(
      name.padEnd(10) +
        best.toFixed(1).padStart(18) +
        median.toFixed(1).padStart(12) +
        `${(median / slowest).toFixed(1)}x`.padStart(9),
    );
}
