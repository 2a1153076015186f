// What is there to tell about a run? Whatever its folder holds so far: training, error table, schedule.
import type { ErrorTable } from '../schedules/errorTable.js';
import { uniformSchedule } from '../schedules/baselines.js';
import { isFile } from '../files/disk.js';
import { calibrationPath, readCalibration } from '../schedules/calibrationFile.js';
import type { SolveOptions } from '../schedules/options.js';
import type { Schedule } from '../schedules/schedule.js';
import { mostSpeedup, solveSchedule } from '../schedules/solve.js';
import { errorTableOf, scheduleOf } from '../bundle/export.js';
import { readMetrics } from '../training/metrics.js';
import type { Trained } from '../training/openTrained.js';
import type { Report } from './page.js';
import type { Frontier } from './plots/frontier.js';

/** Reads the folder of a run. @throws UserError if a file in it is damaged, or of other heads */
export async function runReport(trained: Trained): Promise<Report> {
  const { run, config, backbone, heads } = trained;
  const [table, schedule] = [await errorTableOf(trained), await scheduleOf(trained)];
  const calibrated = calibrationPath(run.path);
  const calibration = (await isFile(calibrated)) ? await readCalibration(calibrated) : undefined;
  const training = await readMetrics(run.metrics);
  return {
    title: config.name,
    subtitle: run.path,
    ...(schedule && { schedule, headline: headlineOf(schedule) }),
    ...(table && { errorTable: table }),
    ...(table && schedule && { frontier: frontierOf(table, schedule) }),
    ...(calibration && { calibration }),
    ...(training.length > 0 && { training }),
    facts: [
      { label: 'Backbone', value: `${backbone.spec.size} (${backbone.source})` },
      { label: 'Backbone fingerprint', value: backbone.fingerprint },
      { label: 'Heads', value: `${heads.plans.length} ${config.heads.kind}, exits ${exitsOf(heads.plans)}` },
      { label: 'Heads fingerprint', value: heads.fingerprint },
      { label: 'Training', value: `${config.train.steps} steps of ${config.train.batch} images` },
      { label: 'Seed', value: String(config.seed) },
    ],
    next: nextOf(run.path, table, schedule),
  };
}

function headlineOf({ predicted, timesteps }: Schedule): NonNullable<Report['headline']> {
  return [
    {
      label: 'Predicted speed-up',
      value: `${predicted.speedup.toFixed(2)}x`,
      note: `${(100 * predicted.depthUsed).toFixed(1)}% of the multiply-adds of full depth, heads included`,
    },
    {
      label: 'Summed excess',
      value: predicted.excess.toPrecision(3),
      note: `over ${timesteps.length} steps, standard error at most ${predicted.excessStandardError.toPrecision(2)}`,
    },
  ];
}

/** By the weights and options of a schedule; from 1.1 up in tenths, as far as the exits reach, at most to 3. */
export function frontierOf(table: ErrorTable, { timesteps, weights, measured, asked }: Schedule): Frontier {
  const { monotone, minRun, maxExits, exits, guidance } = asked;
  const options: SolveOptions = {
    ...{ table, timesteps, weights, monotone },
    ...(minRun !== undefined && { minRun }),
    ...(maxExits !== undefined && { maxExits }),
    ...(exits && { exits }),
    ...(guidance !== undefined && { halves: { guidance } }),
    ...(measured && { measured }),
  };
  const most = mostSpeedup(options);
  const speedups = Array.from({ length: 20 }, (_, i) => 1.1 + i / 10).filter((speedup) => speedup <= most);
  return {
    optimal: speedups.map((speedup) => solveSchedule(options, speedup)),
    uniform: speedups.flatMap((speedup) => uniformSchedule(options, speedup) ?? []),
  };
}

function exitsOf(plans: Trained['heads']['plans']): string {
  return plans.map(({ exit }) => exit).join(', ');
}

function nextOf(path: string, table?: ErrorTable, schedule?: Schedule): NonNullable<Report['next']> {
  if (!table) return [{ purpose: 'Measure every exit', command: `exithead profile ${path}` }];
  if (!schedule)
    return [{ purpose: 'Solve for a schedule', command: `exithead schedule ${path} --speedup 1.5` }];
  return [
    { purpose: 'Try another speed-up', command: `exithead schedule ${path} --speedup 1.3` },
    { purpose: 'Write what a sampler loads', command: `exithead export ${path} --out bundle` },
    { purpose: 'Draw and compare', command: 'exithead sample bundle -n 64 --compare' },
  ];
}
