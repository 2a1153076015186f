// Made error tables, for tests of what reads them.
import { diffusion, ddpmBetas } from '../../src/diffusion/betas.js';
import { respace } from '../../src/diffusion/respace.js';
import type { StepCount } from '../../src/schedules/overSteps.js';
import type { ErrorTable, MeasuredExit } from '../../src/schedules/errorTable.js';
import { timeBins } from '../../src/schedules/timeBins.js';

/** Exits 1, 2 and the backbone at 4, with round costs. */
export const exits: readonly MeasuredExit[] = [
  { exit: 1, kind: 'linear', macs: 30 },
  { exit: 2, kind: 'adapter', macs: 55 },
  { exit: 4, kind: 'backbone', macs: 100 },
];

/** Four bins of 250; excess by exit and bin, standard errors a tenth of it. */
export function madeTable(
  excess: readonly (readonly number[])[] = [
    [0.8, 0.4, 0.2, 0.1],
    [0.3, 0.1, 0.05, 0.04],
    [0, 0, 0, 0],
  ],
  measured: readonly MeasuredExit[] = exits,
): ErrorTable {
  const bins = timeBins(diffusion(ddpmBetas), excess[0]?.length ?? 0);
  const rows = (scale: number, offset: number): number[][] =>
    excess.map((row) => row.map((value) => offset + scale * value));
  return {
    format: 'exithead-error-table',
    version: 1,
    backbone: 'backbone-1',
    heads: 'heads-1',
    steps: 1000,
    bins,
    exits: [...measured],
    count: bins.map(() => 16),
    error: { mean: rows(1, 0.5), standardError: rows(0.1, 0.01) },
    excess: { mean: rows(1, 0), standardError: rows(0.1, 0) },
    rise: { mean: rows(1, 0), standardError: rows(0.2, 0) },
  };
}

/** Exits 1 and 2 of 4 blocks remember; the excess of `madeTable`. */
export function memoryTable(ages: { readonly steps: number; readonly every: number }): ErrorTable {
  const made = exits.map((exit): MeasuredExit =>
    exit.kind === 'backbone' ? exit : { ...exit, kind: 'memory' },
  );
  return { ...madeTable(undefined, made), ages };
}

/** Numbers of steps with what so few drift; each step of fewer counts more, as of the most. */
export function stepCounts(
  table: ErrorTable,
  ...counts: readonly (readonly [steps: number, drift: number])[]
): StepCount[] {
  const most = counts[0]?.[0] ?? NaN;
  return counts.map(([steps, drift]) => ({
    options: {
      table,
      timesteps: respace(1000, String(steps)),
      weights: Array.from({ length: steps }, () => most / steps),
    },
    drift,
  }));
}
