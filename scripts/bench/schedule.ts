// How long does an exact schedule take? npx tsx scripts/bench/schedule.ts [--rounds N]
// Made error tables of the size of a DiT-XL/2 at 1000 steps: 28 exits whose excess falls with depth, in 20 bins or one for
// each step; the median of some rounds, in milliseconds of CPU time, for several speed-ups and options.
import { parseArgs } from 'node:util';
import { ddpmBetas, diffusion } from '../../src/diffusion/betas.js';
import { stream } from '../../src/random.js';
import type { ErrorTable, MeasuredExit } from '../../src/schedules/errorTable.js';
import type { SolveOptions } from '../../src/schedules/options.js';
import { solveSchedule } from '../../src/schedules/solve.js';
import { timeBins } from '../../src/schedules/timeBins.js';

const { values } = parseArgs({ options: { rounds: { type: 'string', default: '5' } } });
const rounds = Number(values.rounds);
const [steps, depth, block] = [1000, 28, 4_230_000_000];
const noise = diffusion({ ...ddpmBetas, steps });
const timesteps = Array.from({ length: steps }, (_, i) => steps - 1 - i);

/** @param kind of all heads; what remembers may do so over four steps */
function tableOf(kind: MeasuredExit['kind'], bins: number): ErrorTable {
  const random = stream(7, 'bench', bins);
  const exits = Array.from({ length: depth }, (_, k): MeasuredExit => {
    const isLast = k === depth - 1;
    return {
      exit: k + 1,
      kind: isLast ? 'backbone' : kind,
      macs: block * (k + 1) + (isLast ? 0 : 9_437_184),
    };
  });
  const rates = Array.from({ length: bins }, () => 0.15 + 0.25 * random.uniform());
  const mean = exits.map((_, k) =>
    rates.map((rate, bin) => {
      const scale = Math.exp((-4 * bin) / bins);
      return k === depth - 1 ? 0 : scale * Math.exp(-rate * k) * (1 + random.uniform());
    }),
  );
  const statistic = { mean, standardError: mean.map((row) => row.map((value) => value / 10)) };
  return {
    ...{ format: 'exithead-error-table', version: 1, backbone: 'b', heads: 'h', steps, exits },
    ...{ bins: timeBins(noise, bins), count: rates.map(() => 100) },
    ...{ error: statistic, excess: statistic, rise: statistic },
    ...(kind === 'memory' && { ages: { steps, every: 5 } }),
  };
}

const cases: readonly (readonly [string, Omit<SolveOptions, 'timesteps'>])[] = [
  ['20 bins', { table: tableOf('linear', 20) }],
  ['1000 bins', { table: tableOf('linear', 1000) }],
  ['20 bins, monotone', { table: tableOf('linear', 20), monotone: true }],
  ['20 bins, runs of 10', { table: tableOf('linear', 20), minRun: 10 }],
  ['20 bins, memory of 4 steps', { table: tableOf('memory', 20) }],
];
const speedups = [1.2, 1.5, 2];
console.log(['ms', ...speedups.map((speedup) => `${speedup}x`)].join('\t'));
for (const [name, options] of cases) {
  const medians = speedups.map((speedup) => {
    const times = Array.from({ length: rounds }, () => {
      const from = process.cpuUsage();
      solveSchedule({ ...options, timesteps }, speedup);
      return process.cpuUsage(from).user / 1000;
    });
    return (times.toSorted((a, b) => a - b)[Math.floor(rounds / 2)] ?? NaN).toFixed(0);
  });
  console.log([name, ...medians].join('\t'));
}
