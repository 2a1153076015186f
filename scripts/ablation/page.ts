// How are the results told? Tables and a figure of each trial, in docs/results.md between two marks.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { format, resolveConfig } from 'prettier';
import { writeFileAtomic } from '../../src/files/write.js';
import { withResults } from '../resultsPage.js';
import { figure, rankingFigure } from './figure.js';
import { stages, trialName, variants } from './plan.js';
import { readFound, type Finding, type Measured, type Ranking } from './results.js';

const docs = join(import.meta.dirname, '../../docs');

export async function writeResults(): Promise<void> {
  const path = join(docs, 'results.md');
  const { findings, rankings } = await readFound();
  const planned = stages.flatMap(({ trials: own }) => own.map(trialName));
  const trials = [...new Set(findings.map(({ trial }) => trial))].toSorted(
    (a, b) => planned.indexOf(a) - planned.indexOf(b),
  );
  const sections: string[] = [];
  for (const trial of trials) {
    const those = findings.filter((one) => one.trial === trial).toSorted((a, b) => placeOf(a) - placeOf(b));
    const file = `results-${trial.toLowerCase().replaceAll(/[^a-z0-9]+/g, '-')}.svg`;
    await writeFileAtomic(join(docs, file), figure(those));
    sections.push(`### ${trial}`, `![FID by depth used](${file})`, table(those));
  }
  if (rankings.length > 0) {
    await writeFileAtomic(join(docs, rankingFile), rankingFigure(rankings));
    const title = '### Predicted loss and measured drift of schedules, DDIM-25';
    sections.push(title, `![Drift by predicted loss](${rankingFile})`, rankingTable(rankings));
  }
  const text = withResults(await readFile(path, 'utf8'), 'npm run ablation', sections.join('\n\n'));
  await writeFileAtomic(path, await format(text, { ...(await resolveConfig(path)), filepath: path }));
}

/** Variants stand as the plan has them, in whatever order they were measured, as trials do. */
function placeOf({ variant }: Finding): number {
  return variants.findIndex(({ name }) => name === variant);
}

const rankingFile = 'results-ranking.svg';

function rankingTable(rankings: readonly Ranking[]): string {
  const columns = [
    'heads',
    'schedules',
    'samples of each',
    'rank correlation (Spearman)',
    'drift over prediction',
  ];
  const lines = rankings.map(({ variant, schedules, samples, rankCorrelation }) => {
    const ratios = schedules.map(({ drift, predicted }) => drift / predicted).sort((a, b) => a - b);
    const [least = NaN, most = NaN] = [ratios[0], ratios.at(-1)];
    const spread = `${least.toFixed(1)} to ${most.toFixed(1)}`;
    return [variant, schedules.length, samples, rankCorrelation.toFixed(3), spread];
  });
  return rowsOf([columns, columns.map(() => '---'), ...lines]);
}

function rowsOf(rows: readonly (readonly (string | number)[])[]): string {
  return rows.map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}

function table(findings: readonly Finding[]): string {
  const [first] = findings;
  const full = first?.measured.find(({ kind }) => kind === 'full-depth');
  const isTimed = findings.some(({ measured }) => measured.some(({ speed }) => speed));
  const columns = [
    '',
    'drawn by',
    'depth used',
    ...(isTimed ? ['speed'] : []),
    'FID',
    'FID / full',
    'KID x 1000',
    'KID less fewer steps',
    'FID less fewer steps',
    'drift',
    'right digit',
  ];
  const isBaseline = ({ kind, way }: Measured): boolean =>
    // Full depth of a backbone that was trained on is none.
    kind === 'full-depth' ? way === full?.way : kind === 'fewer-steps' || kind === 'caching';
  const all = findings.flatMap(({ measured }) => measured).filter(isBaseline);
  const baselines = all.filter(({ way }, i) => all.findIndex((one) => one.way === way) === i);
  const lines = [
    ...baselines.map((one) => row('baseline', one, full, isTimed)),
    ...findings.flatMap(({ factor, measured }) =>
      measured.filter((one) => !isBaseline(one)).map((one) => row(factor, one, full, isTimed)),
    ),
  ];
  return rowsOf([columns, columns.map(() => '---'), ...lines]);
}

function row(factor: string, one: Measured, full: Measured | undefined, isTimed: boolean): string[] {
  const { way, depthUsed, speed, fid, kid, drift, agreement, beside } = one;
  return [
    factor,
    way,
    depthUsed.toFixed(3),
    ...(isTimed ? [speed ? `${speed.value.toFixed(2)} ± ${speed.standardError.toFixed(2)}` : ''] : []),
    `${fid.value.toFixed(2)} ± ${fid.standardError.toFixed(2)}`,
    full ? (fid.value / full.fid.value).toFixed(3) : '',
    `${(1000 * kid.value).toFixed(2)} ± ${(1000 * kid.standardError).toFixed(2)}`,
    beside ? `${signed(1000 * beside.kid.value)} ± ${(1000 * beside.kid.standardError).toFixed(2)}` : '',
    beside ? `${signed(beside.fid.value)} ± ${beside.fid.standardError.toFixed(3)} (${beside.way})` : '',
    drift === 0 ? '0' : drift.toPrecision(2),
    `${(100 * agreement).toFixed(1)} %`,
  ];
}

function signed(value: number): string {
  return `${value < 0 ? '-' : '+'}${Math.abs(value).toFixed(2)}`;
}
