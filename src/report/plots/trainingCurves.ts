// Did the training settle? Losses by training step on a log axis: the whole, and one line per exit.
import * as Plot from '@observablehq/plot';
import type { MetricsLine } from '../../training/metrics.js';
import { draw, heat, ink, rim, type PlotWidth } from './draw.js';
import { logDomain, logTick, logTicks } from './logAxis.js';

interface Curve {
  readonly name: string;
  /** undefined: the whole loss. */
  readonly exit: number | undefined;
  readonly points: readonly { readonly step: number; readonly value: number }[];
}

/** Points that a line keeps; more only make the file large. */
const mostPoints = 240;

/**
 * The metric `loss` and those of the heads, `exit/1`, `exit/2` and so on. Long runs are averaged over
 * stretches of steps. Nothing is drawn (undefined) if no loss is positive.
 */
export function trainingCurves(lines: readonly MetricsLine[], width: PlotWidth): string | undefined {
  const curves = curvesOf(lines);
  const domain = logDomain(curves.flatMap(({ points }) => points.map(({ value }) => value)));
  if (!domain) return undefined;
  const exits = [...new Set(curves.flatMap(({ exit }) => (exit === undefined ? [] : [exit])))].sort(
    (a, b) => a - b,
  );
  const colourOf = ({ exit }: Curve): string =>
    exit === undefined
      ? ink.second
      : heat(0.35 + (0.65 * exits.indexOf(exit)) / Math.max(1, exits.length - 1));
  const keys = keysOf(curves, exits);
  const ticks = logTicks(domain, 8);
  const spread = domain[1] / domain[0];
  return draw(width, labelOf(curves), {
    height: width === 'wide' ? 380 : 340,
    marginTop: 16,
    marginBottom: 46,
    marginLeft: width === 'wide' ? 70 : 64,
    marginRight: 24,
    x: { label: null, nice: false },
    // Room above the curves for the key.
    y: {
      type: 'log',
      domain: [domain[0] / spread ** 0.05, domain[1] * spread ** 0.15],
      label: null,
    },
    marks: [
      Plot.gridY(ticks, { stroke: ink.rule, strokeOpacity: 1 }),
      ...[...curves].reverse().map((curve) =>
        Plot.line(curve.points, {
          x: 'step',
          y: 'value',
          stroke: { value: () => colourOf(curve), scale: null },
          z: null,
          strokeWidth: curve.exit === undefined ? 3 : 1.75,
          title: () => curve.name,
          className: curve.exit === undefined ? 'curve loss' : 'curve exit',
        }),
      ),
      ...keys.flatMap(({ text, curve }, i) => {
        const at = { frameAnchor: 'top-right', dy: 8 } as const;
        const left = -76 * (keys.length - i);
        const fill = { value: () => colourOf(curve), scale: null };
        return [
          Plot.dot([text], { ...at, dx: left, symbol: 'square', r: 5.5, fill }),
          Plot.text([text], {
            ...at,
            ...rim,
            dx: left + 12,
            textAnchor: 'start',
            lineAnchor: 'middle',
            fill: ink.text,
          }),
        ];
      }),
      Plot.axisY(ticks, {
        text: logTick,
        tickSize: 0,
        label: 'loss (log scale)',
        labelAnchor: 'center',
        labelArrow: 'none',
        labelOffset: width === 'wide' ? 64 : 60,
        fill: ink.text,
      }),
      Plot.axisX({
        ticks: width === 'wide' ? 10 : 4,
        label: 'training step →',
        labelAnchor: 'center',
        labelArrow: 'none',
        labelOffset: 40,
        fill: ink.text,
      }),
    ],
  });
}

function curvesOf(lines: readonly MetricsLine[]): Curve[] {
  const names = [...new Set(lines.flatMap((line) => Object.keys(line)))];
  return names.flatMap((name) => {
    const exit = /^exit\/(\d+)$/.exec(name)?.[1];
    if (name !== 'loss' && exit === undefined) return [];
    const points = lines.flatMap(({ step, [name]: value }) =>
      value !== undefined && value > 0 && Number.isFinite(value) ? [{ step, value }] : [],
    );
    if (points.length === 0) return [];
    return [{ name, exit: exit === undefined ? undefined : Number(exit), points: thinned(points) }];
  });
}

/** Means over stretches of equally many points. */
function thinned(points: Curve['points']): Curve['points'] {
  const length = Math.ceil(points.length / mostPoints);
  if (length <= 1) return points;
  return Array.from({ length: Math.ceil(points.length / length) }, (_, i) => {
    const stretch = points.slice(i * length, (i + 1) * length);
    const mean = (of: (point: Curve['points'][number]) => number): number =>
      stretch.reduce((sum, point) => sum + of(point), 0) / stretch.length;
    return { step: mean(({ step }) => step), value: mean(({ value }) => value) };
  });
}

/** The whole loss, the first and the last exit: those between follow the ramp. */
function keysOf(curves: readonly Curve[], exits: readonly number[]): { text: string; curve: Curve }[] {
  const whole = curves.filter(({ exit }) => exit === undefined).map((curve) => ({ text: 'loss', curve }));
  const ends = [...new Set([exits[0], exits.at(-1)])];
  const found = ends.flatMap((end) =>
    curves.filter(({ exit }) => exit !== undefined && exit === end).slice(0, 1),
  );
  return [...whole, ...found.map((curve) => ({ text: `exit ${curve.exit}`, curve }))];
}

function labelOf(curves: readonly Curve[]): string {
  const ends = curves.map(({ name, exit, points }) => {
    const [first, last] = [points[0], points.at(-1)];
    const title = exit === undefined ? name : `exit ${exit}`;
    return `${title} from ${first?.value.toPrecision(3)} at step ${first?.step} to ${last?.value.toPrecision(3)} at step ${last?.step}`;
  });
  return `Training losses: ${ends.join('; ')}.`;
}
