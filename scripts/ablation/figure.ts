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
  const points = pointsOf(findings);
  const series = [...new Set(points.map((point) => point.series))];
  const place = { x: 'depthUsed', y: 'fid', stroke: 'series' } as const;
  const lowest = Math.min(...points.map(({ fid }) => fid));
  const svg = draw('wide', `FID by depth used: ${series.join(', ')}`, {
    style: { fontSize: '13px', background: 'white', color: '#1b2430' },
    ...{ height: 460, marginLeft: 60, marginBottom: 46, marginRight: 30 },
    x: { label: 'depth used', grid: true, domain: [0.2, 1] },
    // What is much further does not matter any more.
    y: { label: 'FID', grid: true, domain: [0.9 * lowest, 1.5 * lowest], clamp: true },
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
      Plot.text(
        points,
        Plot.selectMinX({
          ...{ x: 'depthUsed', y: 'fid', z: 'series', text: 'series', fill: 'series' },
          ...{ dx: -10, textAnchor: 'end' },
        }),
      ),
    ],
  });
  return `${svg}\n`;
}

function pointsOf(findings: readonly Finding[]): Point[] {
  const [first] = findings;
  const baselines = (first?.measured ?? []).flatMap((one) => {
    if (one.kind === 'fewer-steps' || one.kind === 'full-depth') return [{ ...one, series: 'fewer steps' }];
    return one.kind === 'caching' ? [{ ...one, series: 'training-free caching' }] : [];
  });
  // A name is that of the variant, what it may spend, and how times were weighed.
  const own = findings.flatMap(({ measured }) =>
    measured
      .filter(({ kind }) => kind === 'scheduled')
      .map((one) => ({ ...one, series: one.way.replace(/ \d+ %/, '').replace(/ of \d+ full.*/, '') })),
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
