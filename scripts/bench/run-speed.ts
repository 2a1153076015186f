// How fast did runs train, and where did they get? npx tsx scripts/bench/run-speed.ts RUN...
import { join } from 'node:path';
import { loadConfig } from '../../src/config/load.js';
import { readMetrics } from '../../src/training/metrics.js';

for (const run of process.argv.slice(2)) {
  const { config } = await loadConfig(join(run, 'config.yaml'), { kind: 'train', set: [] });
  const lines = await readMetrics(join(run, 'metrics.jsonl'));
  const last = lines.at(-1);
  // What is allocated and compiled on first use is not what a run is like.
  const first = lines.find(({ step }) => step >= (last?.step ?? 0) / 10);
  if (!first || !last || first === last)
    throw new Error(`${run} has too few lines of metrics to tell its speed`);
  const perSecond = (config.train.batch * (last.step - first.step)) / (last.time - first.time);
  console.log(
    `${config.engine.kind.padEnd(8)} ${perSecond.toFixed(0).padStart(7)} images/s   ` +
      `loss ${last['loss']?.toFixed(5)} after ${last.step} steps`,
  );
}
