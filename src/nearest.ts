// Which known word did someone mean?

/**
 * The candidate nearest to a mistyped word, if any is near enough to be meant: at most a third of its letters differ.
 * Case, hyphens and underscores do not count, and a longer word that starts with a candidate is near (batch_size).
 */
export function nearest(word: string, candidates: readonly string[]): string | undefined {
  const typed = plain(word);
  const near = candidates
    .map((candidate) => ({ candidate, distance: distanceTo(typed, plain(candidate)) }))
    .filter(({ candidate, distance }) => distance <= Math.max(1, Math.floor(candidate.length / 3)))
    .sort((a, b) => a.distance - b.distance);
  return near[0]?.candidate;
}

function plain(word: string): string {
  return word.toLowerCase().replace(/[-_]/g, '');
}

function distanceTo(typed: string, candidate: string): number {
  if (candidate.length >= 4 && typed.startsWith(candidate)) return 1;
  // Too long to be near: not worth the comparison.
  if (Math.abs(typed.length - candidate.length) > candidate.length) return Infinity;
  return edits(typed, candidate);
}

/** Insertions, deletions, replacements and swaps of neighbours that make `b` of `a`. */
function edits(a: string, b: string): number {
  let before: number[] = [];
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const replace = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      const swaps = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      const swap = swaps ? (before[j - 2] ?? 0) + 1 : Infinity;
      next.push(Math.min(replace, swap, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    [before, row] = [row, next];
  }
  return row[b.length] ?? 0;
}
