// What does a frozen backbone in 8 bits cost in quality and give in speed? npx tsx scripts/bench/int8.ts [steps] [images]
// Trains the heads of configs/mnist/heads.yaml on both backbones for that many steps, and draws that many images.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { profileRun } from '../../src/bundle/profileRun.js';
import { parseSetting } from '../../src/config/layers.js';
import { loadConfig } from '../../src/config/load.js';
import { pickEngine } from '../../src/engine/pick.js';
import type { FrozenPrecision } from '../../src/engine/tensors.js';
import { modelIn } from '../../src/exits/precision.js';
import { scheduledTimes } from '../../src/schedules/scheduledTimes.js';
import { solveSchedule } from '../../src/schedules/solve.js';
import { openFrozen, openTrained } from '../../src/training/openTrained.js';
import { startRun } from '../../src/training/startRun.js';
import { trainHeads } from '../../src/training/trainHeads.js';
import { showPredictions } from './int8/predictions.js';
import { showSamples } from './int8/samples.js';
import type { Context, Side } from './int8/side.js';
import { showSpeed } from './int8/speed.js';

const [steps = 300, images = 500] = process.argv.slice(2).map(Number);
const engine = await pickEngine({ kind: 'auto', threads: 0, frozenPrecision: 'int8' });
const context: Context = {
  engine,
  signal: new AbortController().signal,
  progress: { update: () => undefined, end: () => undefined },
};
const root = await mkdtemp(join(tmpdir(), 'exithead-int8-'));
try {
  const fp32 = await sideOf('fp32');
  const int8 = await sideOf('int8');
  await showPredictions(context, fp32, int8);
  showTable(fp32, int8);
  await showSamples(context, fp32, int8, images);
  await showSpeed(engine);
} finally {
  await rm(root, { recursive: true, force: true });
}

/** Heads trained on a backbone of that precision, its error table, and a schedule for it. */
async function sideOf(precision: FrozenPrecision): Promise<Side> {
  const settings = [`train.steps=${steps}`, `train.checkpointEvery=${steps}`, `name=${precision}`];
  const set = [...settings, `engine.frozenPrecision=${precision}`].map(parseSetting);
  const loaded = await loadConfig('configs/mnist/heads.yaml', { kind: 'train', set });
  const { config } = loaded;
  const run = await startRun(loaded, { root, resume: false });
  const work = { ...context, say: (line: string) => console.log(line), warn: console.warn };
  await trainHeads(run, config, await openFrozen(config), work);
  const trained = await openTrained(run.path);
  const model = await modelIn(trained.model, precision);
  const table = await profileRun(trained, work);
  const timesteps = scheduledTimes(config);
  const schedule = solveSchedule({ table, timesteps }, config.schedule.speedup);
  return { model, config, table, schedule };
}

/** Means over all times of what the profiles measured. */
function showTable(fp32: Side, int8: Side): void {
  const mean = (row: readonly (number | null)[] | undefined = []): string =>
    (row.reduce<number>((sum, value) => sum + (value ?? NaN), 0) / row.length).toExponential(3);
  console.log('\n| exit | excess fp32 | excess int8 | denoising error fp32 | denoising error int8 |');
  console.log('| --- | --- | --- | --- | --- |');
  fp32.table.exits.forEach(({ exit }, k) => {
    const excess = [fp32, int8].map(({ table }) => mean(table.excess.mean[k]));
    const error = [fp32, int8].map(({ table }) => mean(table.error.mean[k]));
    console.log(`| ${[exit, ...excess, ...error].join(' | ')} |`);
  });
}
