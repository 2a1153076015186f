// What does compute buy? FID by depth used, for every variant and what it must beat.
import * as Plot from '@observablehq/plot';
import { draw } from '../../src/report/plots/draw.js';
import type { Finding, Ranking } from './results.js';

interface Point {
  readonly series: string;
  readonly depthUsed: number;
  readonly fid: number;
  readonly error: number;
}

/** A picture that stands alone, on white. */
export function figure(findings: readonly Finding[]): string {
  const all = pointsOf(findings);
  const lowest = Math.min(...all.map(({ fid }) => fid));
  // What is much further does not matter any more.
  const [bottom, top] = [0.9 * lowest, 1.5 * lowest];
  const points = all.filter(({ fid }) => fid <= top);
  const series = [...new Set(points.map((point) => point.series))];
  const place = { x: 'depthUsed', y: 'fid', stroke: 'series' } as const;
  const labels = labelled(points, { bottom, top });
  const svg = draw('wide', `FID by depth used: ${series.join(', ')}`, {
    style: { fontSize: '13px', background: 'white', color: '#1b2430' },
    ...{ height: 560, marginLeft: 60, marginBottom: 46, marginRight: 30 },
    x: { label: 'depth used', grid: true, domain: [0.1, 1] },
    y: { label: 'FID', grid: true, domain: [bottom, top], clamp: true },
    color: { domain: series, legend: false, scheme: 'observable10' },
    marks: [
      Plot.ruleX(points, {
        x: 'depthUsed',
        y1: (point: Point) => point.fid - point.error,
        y2: (point: Point) => point.fid + point.error,
        stroke: 'series',
        strokeOpacity: 0.5,
      }),
      Plot.line(points, { ...place, z: 'series', strokeWidth: 1.5 }),
      Plot.dot(points, { ...place, fill: 'series', r: 3 }),
      Plot.link(labels, {
        ...{ x1: labelsEnd, y1: 'at', x2: 'depthUsed', y2: 'fid', stroke: 'series', strokeOpacity: 0.4 },
      }),
      Plot.text(labels, {
        ...{ x: labelsEnd, y: 'at', text: 'series', fill: 'series', dx: -4, textAnchor: 'end' },
      }),
    ],
  });
  return `${svg}\n`;
}

/** Depth used left of which names stand. */
const labelsEnd = 0.34;
/** Lines of text that fit above each other. */
const mostLines = 32;

/** The shallowest point of each series, and where its name stands: beside it, unless another name is there. */
function labelled(
  points: readonly Point[],
  { bottom, top }: { readonly bottom: number; readonly top: number },
): (Point & { readonly at: number })[] {
  const first = points.filter(
    (point) => !points.some((other) => other.series === point.series && other.depthUsed < point.depthUsed),
  );
  const line = (top - bottom) / mostLines;
  const placed: (Point & { readonly at: number })[] = [];
  for (const point of first.toSorted((a, b) => b.fid - a.fid)) {
    const below = (placed.at(-1)?.at ?? Infinity) - line;
    placed.push({ ...point, at: Math.min(point.fid, top, below) });
  }
  // Names that were pushed below the last line move up together.
  const lift = Math.max(0, bottom - (placed.at(-1)?.at ?? bottom));
  return placed.map((point) => ({ ...point, at: point.at + lift }));
}

function pointsOf(findings: readonly Finding[]): Point[] {
  const [first] = findings;
  const baselines = (first?.measured ?? []).flatMap((one) => {
    if (one.kind === 'fewer-steps' || one.kind === 'full-depth') return [{ ...one, series: 'fewer steps' }];
    if (one.kind !== 'caching') return [];
    return [
      { ...one, series: one.way.startsWith('caching') ? 'caching, every 2nd' : 'training-free caching' },
    ];
  });
  // A name is that of the variant, what it may spend, and how times were weighed.
  const own = findings.flatMap(({ measured }) =>
    measured
      .filter(({ kind }) => kind === 'scheduled')
      .map((one) => ({
        ...one,
        series: one.way.replace(/ \d+ %/, '').replace(/ of \d+ full.*|, \d+ steps$/, ''),
      })),
  );
  return [...baselines, ...own]
    .map(({ series, depthUsed, fid }) => ({ series, depthUsed, fid: fid.value, error: fid.standardError }))
    .sort((a, b) => a.depthUsed - b.depthUsed);
}

/** Every schedule as a dot, predicted and drawn, on logarithmic axes: filled if it is of the front. */
export function rankingFigure(rankings: readonly Ranking[]): string {
  const dots = rankings.flatMap(({ variant, schedules }) => schedules.map((one) => ({ ...one, variant })));
  const place = { x: 'predicted', y: 'drift', stroke: 'variant' } as const;
  const least = Math.min(...dots.map(({ predicted }) => predicted));
  const most = Math.max(...dots.map(({ predicted }) => predicted));
  const svg = draw(
    'wide',
    `Drift by predicted loss of schedules: ${rankings.map(({ variant }) => variant).join(', ')}`,
    {
      style: { fontSize: '13px', background: 'white', color: '#1b2430' },
      ...{ height: 460, marginLeft: 70, marginBottom: 46, marginRight: 80 },
      x: { label: 'predicted loss', type: 'log', grid: true, tickFormat: '.0e', ticks: 5 },
      y: { label: 'measured drift', type: 'log', grid: true, tickFormat: '.0e', ticks: 5 },
      color: { domain: rankings.map(({ variant }) => variant), legend: false, scheme: 'observable10' },
      marks: [
        Plot.line([least, most], { x: (at: number) => at, y: (at: number) => at, strokeOpacity: 0.3 }),
        Plot.dot(
          dots.filter(({ name }) => name !== 'front'),
          { ...place, r: 4 },
        ),
        Plot.dot(
          dots.filter(({ name }) => name === 'front'),
          { ...place, fill: 'variant', r: 3 },
        ),
        Plot.text(
          dots,
          Plot.selectMaxX({
            ...{ x: 'predicted', y: 'drift', z: 'variant', text: 'variant', fill: 'variant' },
            ...{ dx: 10, textAnchor: 'start' },
          }),
        ),
      ],
    },
  );
  return `${svg}\n`;
}
