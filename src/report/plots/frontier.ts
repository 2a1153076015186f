// What does speed cost? Predicted excess by speed-up, for the best schedules and for one exit at every step.
import * as Plot from '@observablehq/plot';
import type { Schedule } from '../../schedules/schedule.js';
import { draw, ink, rim, type PlotWidth } from './draw.js';
import { logDomain, logTick, logTicks } from './logAxis.js';

export interface Frontier {
  /** Best schedules at several speed-ups. */
  readonly optimal: readonly Schedule[];
  /** Schedules with the same exit at every step. */
  readonly uniform: readonly Schedule[];
}

interface Point {
  readonly speedup: number;
  readonly excess: number;
  readonly title: string;
}

/**
 * Excess (log axis) by speed-up. Schedules without excess, such as full depth, have no place on a log axis and are left
 * out. Nothing is drawn (undefined) if that leaves no schedule.
 * @param chosen is marked
 */
export function frontierPlot(
  { optimal, uniform }: Frontier,
  chosen: Schedule | undefined,
  width: PlotWidth,
): string | undefined {
  const series = [
    { name: 'best exit for each step', points: pointsOf(optimal), colour: ink.first, symbol: 'circle' },
    { name: 'same exit at every step', points: pointsOf(uniform), colour: ink.second, symbol: 'diamond' },
  ] as const;
  const marked = chosen ? pointsOf([chosen]) : [];
  const all = [...series.flatMap(({ points }) => points), ...marked];
  const domain = logDomain(all.map(({ excess }) => excess));
  if (!domain) return undefined;
  const place = { x: 'speedup', y: 'excess' } as const;
  const ticks = logTicks(domain, 7);
  // Room above the curves for the key.
  const spread = domain[1] / domain[0];
  const fastest = Math.max(...all.map(({ speedup }) => speedup));
  return draw(width, labelOf(series[0].points, series[1].points), {
    height: width === 'wide' ? 380 : 340,
    marginTop: 16,
    marginBottom: 46,
    marginLeft: width === 'wide' ? 70 : 64,
    marginRight: 24,
    x: {
      domain: [Math.min(1, ...all.map(({ speedup }) => speedup)), Math.max(fastest, 1.1)],
      label: null,
      nice: true,
    },
    y: { type: 'log', domain: [domain[0] / spread ** 0.08, domain[1] * spread ** 0.22], label: null },
    marks: [
      Plot.gridY(ticks, { stroke: ink.rule, strokeOpacity: 1 }),
      Plot.gridX({ stroke: ink.rule, strokeOpacity: 1, ticks: width === 'wide' ? 10 : 5 }),
      ...series.map(({ points, colour }) => Plot.line(points, { ...place, stroke: colour, strokeWidth: 2 })),
      ...series.map(({ points, colour, symbol }, i) =>
        Plot.dot(points, {
          ...place,
          symbol,
          fill: colour,
          stroke: ink.surface,
          strokeWidth: 1.5,
          r: 5,
          title: 'title',
          className: i === 0 ? 'optimal' : 'uniform',
        }),
      ),
      Plot.dot(marked, {
        ...place,
        r: 10,
        stroke: ink.text,
        strokeWidth: 2,
        title: 'title',
        className: 'chosen',
      }),
      Plot.text(marked, {
        ...place,
        text: () => 'this schedule',
        dy: 22,
        dx: 4,
        textAnchor: 'start',
        fill: ink.text,
        fontWeight: 600,
        ...rim,
      }),
      ...series.flatMap(({ name, colour, symbol, points }, i) => {
        if (points.length === 0) return [];
        const at = { frameAnchor: 'top-left', dy: 12 + 22 * i } as const;
        return [
          Plot.dot([name], { ...at, dx: 16, symbol, fill: colour, r: 5 }),
          Plot.text([name], { ...at, dx: 28, lineAnchor: 'middle', fill: colour, fontWeight: 600, ...rim }),
        ];
      }),
      Plot.axisY(ticks, {
        text: logTick,
        tickSize: 0,
        label: 'predicted excess, summed over the steps',
        labelAnchor: 'center',
        labelArrow: 'none',
        labelOffset: width === 'wide' ? 64 : 60,
        fill: ink.text,
      }),
      Plot.axisX({
        ticks: width === 'wide' ? 10 : 5,
        tickFormat: (x: number) => `${Number(x.toFixed(2))}×`,
        label: 'speed-up in multiply-adds →',
        labelAnchor: 'center',
        labelArrow: 'none',
        labelOffset: 40,
        fill: ink.text,
      }),
    ],
  });
}

/** By speed-up; what several questions were answered with is one point. */
function pointsOf(schedules: readonly Schedule[]): Point[] {
  return schedules
    .map(({ predicted: { speedup, excess } }) => ({
      speedup,
      excess,
      title: `${speedup.toFixed(2)} times as fast: excess ${excess.toPrecision(3)}`,
    }))
    .filter(({ excess }) => excess > 0)
    .filter((point, i, all) => all.findIndex(({ title }) => title === point.title) === i)
    .sort((a, b) => a.speedup - b.speedup);
}

function labelOf(optimal: readonly Point[], uniform: readonly Point[]): string {
  const range = (name: string, points: readonly Point[]): string[] => {
    const [first, last] = [points[0], points.at(-1)];
    if (!first || !last) return [];
    return [`${name} from ${first.title} to ${last.title}`];
  };
  const parts = [...range('the best exits', optimal), ...range('one exit at every step', uniform)];
  return `Predicted excess by speed-up: ${parts.join('; ')}.`;
}
