// How deep does each sampling step go? Blocks by step from noise to data, beside the full depth.
import * as Plot from '@observablehq/plot';
import type { Schedule } from '../../schedules/schedule.js';
import { draw, ink, rim, type PlotWidth } from './draw.js';

interface Step {
  readonly step: number;
  readonly t: number;
  readonly exit: number;
  readonly title: string;
}

/** A bar per sampling step, as high as the blocks it runs; lines mark full depth and the depth used. */
export function scheduleSteps(schedule: Schedule, width: PlotWidth): string {
  const { timesteps, exits, available, predicted } = schedule;
  const depth = available.at(-1)?.exit ?? 0;
  const steps: Step[] = timesteps.map((t, i) => {
    const exit = exits[i] ?? 0;
    return { step: i + 1, t, exit, title: `step ${i + 1}, native t ${t}: exit ${exit} of ${depth}` };
  });
  const used = predicted.depthUsed * depth;
  // The label stands above its line, where noisy steps leave room, unless that is where full depth has its own.
  const isNearFull = predicted.depthUsed > 0.85;
  const share = `${(100 * predicted.depthUsed).toFixed(1)}%`;
  const ticks = ticksOf(steps, width === 'wide' ? 10 : 5);
  const corners = steps.map(({ step, exit }) => ({ at: step - 0.5, exit }));
  const last = steps.at(-1);
  if (last) corners.push({ at: last.step + 0.5, exit: last.exit });
  const note = { frameAnchor: 'left', textAnchor: 'start', dx: 8, fontWeight: 600, ...rim } as const;
  const time = new Map(steps.map(({ step, t }) => [step, t]));
  const axis = { labelAnchor: 'center', labelArrow: 'none', labelOffset: 40, fill: ink.text } as const;
  return draw(width, labelOf(schedule, depth, share), {
    height: width === 'wide' ? 360 : 320,
    marginTop: 52,
    marginBottom: 46,
    marginLeft: width === 'wide' ? 70 : 48,
    marginRight: 16,
    x: { domain: [0.5, steps.length + 0.5], label: null },
    y: { domain: [0, Math.max(depth, used) * 1.1], label: null },
    marks: [
      Plot.gridY(wholeTicks(depth), { stroke: ink.rule, strokeOpacity: 1 }),
      Plot.rectY(steps, {
        x1: ({ step }: Step) => step - 0.5,
        x2: ({ step }: Step) => step + 0.5,
        y1: 0,
        y2: 'exit',
        fill: ink.first,
        fillOpacity: 0.22,
        title: 'title',
        className: 'step',
      }),
      Plot.lineY(corners, {
        x: 'at',
        y: 'exit',
        curve: 'step-after',
        stroke: ink.first,
        strokeWidth: 2.5,
        className: 'exits',
      }),
      Plot.ruleY([depth], { stroke: ink.text, strokeWidth: 1.5, className: 'full' }),
      Plot.ruleY([used], { stroke: ink.second, strokeWidth: 2, strokeDasharray: '6,4', className: 'used' }),
      Plot.text([depth], {
        ...note,
        y: (y: number) => y,
        dy: -11,
        fill: ink.text,
        text: () => `full depth: ${depth} blocks`,
      }),
      Plot.text([used], {
        ...note,
        y: (y: number) => y,
        dy: isNearFull ? 12 : -11,
        fill: ink.second,
        text: () => `depth used: ${share}`,
      }),
      Plot.axisY(wholeTicks(depth), {
        label: 'blocks run',
        labelArrow: 'none',
        labelAnchor: 'center',
        tickSize: 0,
        fill: ink.text,
      }),
      Plot.axisX(ticks, { ...axis, anchor: 'bottom', label: '← noise · sampling step · data →' }),
      Plot.axisX(ticks, {
        ...axis,
        anchor: 'top',
        label: 'native t',
        tickFormat: (step: number) => String(time.get(step) ?? ''),
      }),
    ],
  });
}

/** First, last and some steps between at an equal distance. */
function ticksOf(steps: readonly Step[], most: number): number[] {
  const stride = Math.max(1, Math.ceil(steps.length / most));
  const last = steps.length;
  const round = steps.map(({ step }) => step).filter((step) => step === 1 || step % stride === 0);
  return [...round.filter((step) => step === 1 || last - step >= stride / 2), ...(last > 1 ? [last] : [])];
}

/** 0 to the full depth in whole blocks. */
function wholeTicks(depth: number): number[] {
  const stride = [1, 2, 4, 5, 10, 20, 50, 100, 200].find((step) => depth / step <= 7) ?? depth;
  const ticks = Array.from({ length: Math.floor(depth / stride) + 1 }, (_, i) => i * stride);
  return [...ticks.filter((tick) => tick === 0 || depth - tick >= stride / 2), depth];
}

function labelOf({ timesteps, exits }: Schedule, depth: number, share: string): string {
  return (
    `Exit of each of the ${timesteps.length} sampling steps: exit ${exits[0]} of ${depth} at native t ${timesteps[0]}, ` +
    `exit ${exits.at(-1)} at native t ${timesteps.at(-1)}. Depth used: ${share}.`
  );
}
