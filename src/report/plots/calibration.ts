// Do uncertainty heads say what is measured? Mean error by mean uncertainty, one line per exit, on log axes.
import * as Plot from '@observablehq/plot';
import type { Calibration } from '../../schedules/calibration.js';
import { draw, heat, ink, type PlotWidth } from './draw.js';
import { logDomain, logTick, logTicks } from './logAxis.js';

/** Each exit's samples in tenths by their uncertainty; the dashed line is where both agree. */
export function calibrationPlot({ exits }: Pick<Calibration, 'exits'>, width: PlotWidth): string | undefined {
  const points = exits.flatMap(({ exit, reliability }) => reliability.map((share) => ({ exit, ...share })));
  const domain = logDomain(points.flatMap(({ predicted, measured }) => [predicted, measured]));
  if (!domain) return undefined;
  const ticks = logTicks(domain, width === 'wide' ? 8 : 5);
  const colours = new Map(
    exits.map(({ exit }, i) => [exit, heat(0.35 + (0.65 * i) / Math.max(1, exits.length - 1))]),
  );
  const stroke = { value: ({ exit }: { readonly exit: number }) => colours.get(exit), scale: null };
  const place = { x: 'predicted', y: 'measured' } as const;
  const label = `Measured error by predicted error of ${exits.length} exits, from ${domain[0].toPrecision(2)} to ${domain[1].toPrecision(2)}.`;
  return draw(width, label, {
    height: width === 'wide' ? 420 : 340,
    marginTop: 28,
    marginBottom: 46,
    marginLeft: 64,
    marginRight: 24,
    x: { type: 'log', domain, label: null },
    y: { type: 'log', domain, label: null },
    marks: [
      Plot.gridX(ticks, { stroke: ink.rule, strokeOpacity: 1 }),
      Plot.gridY(ticks, { stroke: ink.rule, strokeOpacity: 1 }),
      Plot.line(
        [
          [domain[0], domain[0]],
          [domain[1], domain[1]],
        ],
        { stroke: ink.muted, strokeDasharray: '4 4', className: 'agreement' },
      ),
      Plot.line(points, { ...place, z: 'exit', stroke, strokeWidth: 1.5, className: 'reliability' }),
      Plot.dot(points, { ...place, stroke, r: 2.5, title: ({ exit }) => `exit ${exit}` }),
      Plot.axisX(ticks, { text: logTick, tickSize: 4, fill: ink.text }),
      Plot.axisY(ticks, { text: logTick, tickSize: 4, fill: ink.text }),
      Plot.text(['measured'], { frameAnchor: 'top-left', dy: -16, fill: ink.muted }),
      Plot.text(['predicted'], { frameAnchor: 'bottom-right', dy: 34, fill: ink.muted }),
    ],
  });
}
