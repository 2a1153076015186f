// How does a person read what was measured: evaluations, sensitivities, calibrations?
import type { EvaluatedRow, Evaluation } from '../evaluate/results.js';
import { verdictOf, type Calibration } from '../schedules/calibration.js';
import type { FrontPoint } from '../schedules/frontFile.js';
import type { Sensitivity } from '../schedules/sensitivity.js';
import type { Trajectories } from '../schedules/trajectories.js';
import type { Terminal } from './terminal.js';

export function showEvaluation({ rows, features, reference }: Evaluation, terminal: Terminal): void {
  const known = (name: 'inceptionScore' | 'agreement'): boolean => rows.some((row) => row[name] !== null);
  const isDecided = known('inceptionScore');
  const isAgreed = known('agreement');
  const schedule = rows.find(({ kind }) => kind === 'scheduled')?.name ?? '';
  terminal.line(`judged by ${features.name}, beside ${reference.count} images of ${reference.data}`);
  terminal.table([
    [
      ...['way', 'depth', 's/image', 'speed', 'FID', '1000 KID', 'precision', 'recall'],
      ...[...(isDecided ? ['score'] : []), ...(isAgreed ? ['agree'] : []), 'drift', `KID - ${schedule}`],
    ],
    ...rows.map((row) => [
      ...[
        row.name,
        row.depthUsed.toFixed(3),
        row.secondsPerImage.toPrecision(3),
        `${row.speed.mean.toFixed(2)}x`,
      ],
      ...[sure(row.fid, 1), sure(row.kid, 1000), row.precision.mean.toFixed(3), row.recall.mean.toFixed(3)],
      ...(isDecided ? [row.inceptionScore?.mean.toFixed(2) ?? '-'] : []),
      ...(isAgreed ? [row.agreement?.mean.toFixed(3) ?? '-'] : []),
      ...[row.drift.mean.toPrecision(2), differenceIn(row, schedule)],
    ]),
  ]);
  terminal.line(
    `KID - ${schedule}: kernel distance less that of the schedule, from the same noise, in standard errors; above 2 it is worse`,
  );
}

/** A value with its standard error, to two digits of the latter. */
function sure({ value, standardError }: EvaluatedRow['kid'], scale: number): string {
  const error = standardError * scale;
  const digits = error > 0 ? Math.min(6, Math.max(0, 1 - Math.floor(Math.log10(error)))) : 2;
  return `${(value * scale).toFixed(digits)} ± ${error.toFixed(digits)}`;
}

function differenceIn({ differences }: EvaluatedRow, schedule: string): string {
  const found = differences.find(({ to }) => to === schedule)?.kid;
  if (!found) return '';
  // Equal ways differ by nothing, with no error.
  const errors = found.standardError > 0 ? found.value / found.standardError : 0;
  return `${errors >= 0 ? '+' : ''}${errors.toFixed(1)}`;
}

/** At most eight steps, from noise to data. */
export function showSensitivity({ timesteps, noise, exit }: Sensitivity, terminal: Terminal): void {
  const last = timesteps.length - 1;
  const shown = [...new Set(Array.from({ length: 8 }, (_, i) => Math.round((i * last) / 7)))];
  terminal.line('mean square of how far the sample moves, over that of the mistake in epsilon');
  const row = (name: string, values: readonly number[]): (string | number)[] => [
    name,
    ...shown.map((i) => (values[i] ?? NaN).toExponential(1)),
  ];
  terminal.table([
    ['native t', ...shown.map((i) => timesteps[i] ?? NaN)],
    row('noise', noise.value),
    ...(exit ? [row(`exit ${exit.exit}`, exit.value)] : []),
  ]);
}

/** At most eight calls, from noise to data; then what adds up, and what fewer steps cost. */
export function showTrajectories(table: Trajectories, terminal: Terminal): void {
  const { timesteps, exits, single, additive, pairs, steps } = table;
  const last = timesteps.length - 1;
  const shown = [...new Set(Array.from({ length: 8 }, (_, i) => Math.round((i * last) / 7)))];
  terminal.line('mean square of how far the final sample moves, where one exit answers one call');
  terminal.table([
    ['native t', ...shown.map((i) => round(timesteps[i] ?? NaN))],
    ...exits
      .slice(0, -1)
      .map(({ exit }, k) => [
        `exit ${exit}`,
        ...shown.map((i) => single.drift.mean[k]?.[i]?.toExponential(1) ?? '-'),
      ]),
  ]);
  if (additive)
    terminal.line(
      `${pairs.length} pairs move it ${additive.ratio.toFixed(2)} ± ${additive.standardError.toFixed(2)} times as far as the sum ` +
        `of both alone; rank correlation ${additive.rankCorrelation.toFixed(2)}`,
    );
  if (steps.length > 1) {
    terminal.line(`full depth in fewer steps than ${steps.at(-1)?.steps}`);
    terminal.table([
      ['steps', ...steps.slice(0, -1).map((one) => one.steps)],
      ['drift', ...steps.slice(0, -1).map(({ drift }) => drift.toExponential(1))],
    ]);
  }
}

/** Times between two diffusion steps, to a tenth. */
function round(t: number): number {
  return Math.round(10 * t) / 10;
}

export function showCalibration(calibration: Calibration, terminal: Terminal): void {
  terminal.table([
    ['exit', 'R²', 'rank corr.', 'skill', 'skill of ln', 'over a line', 'within cells', '95 %'],
    ...calibration.exits.map(({ exit, rSquared, spearman, skill, within }) => [
      exit,
      ...[rSquared, spearman, skill.error, skill.logError, skill.logErrorOverLine, within.correlation].map(
        (value) => value.toFixed(2),
      ),
      within.interval.map((value) => value.toFixed(2)).join(' to '),
    ]),
  ]);
  const shown = (loss: number | null): string => loss?.toExponential(2) ?? '-';
  terminal.table([
    ['depth used', 'lost by the heads', 'by the mean of a cell', 'by the error itself'],
    ...calibration.compared.map(({ depthUsed, perSample, perCell, oracle }) => [
      depthUsed.toFixed(2),
      shown(perSample),
      shown(perCell),
      shown(oracle),
    ]),
  ]);
  terminal.line(verdictOf(calibration));
}

/** At most a dozen points. */
export function showFront(front: readonly FrontPoint[], terminal: Terminal): void {
  const every = Math.max(1, Math.ceil(front.length / 12));
  terminal.table([
    ['speed-up', 'steps', 'depth used', 'loss'],
    ...front
      .filter((_, i) => i % every === 0)
      .map(({ speedup, steps, depthUsed, loss }) => [
        `${speedup.toFixed(2)}x`,
        steps,
        depthUsed.toFixed(3),
        loss.toPrecision(3),
      ]),
  ]);
}
