// Where does leaving early hurt? Excess error of every exit in every time bin, as a map of colours.
import * as Plot from '@observablehq/plot';
import type { ErrorTable } from '../../schedules/errorTable.js';
import { binName, type TimeBin } from '../../schedules/timeBins.js';
import { draw, heat, ink, type Inset, type PlotWidth } from './draw.js';
import { logDomain, logShare, logTick, logTicks } from './logAxis.js';

interface Cell {
  readonly exit: number;
  readonly bin: TimeBin;
  /** null: nothing was measured. */
  readonly excess: number | null;
  readonly title: string;
}

const rowHeight = { few: 26, many: 14 };
const marginTop = 104;

/**
 * A map of exits (the deepest on top) by time (noise on the left, data on the right), colours by the logarithm of the
 * excess. Exits without excess, such as the whole backbone, stay white; what was not measured shows a cross.
 */
export function errorHeatMap(table: ErrorTable, width: PlotWidth): string {
  const cells = cellsOf(table);
  const measured = cells.flatMap(({ excess }) => (excess === null ? [] : [excess]));
  const domain = logDomain(measured);
  const [marginLeft, marginRight] = [width === 'wide' ? 70 : 48, 16];
  const exits = table.exits.map(({ exit }) => exit);
  const place = { x1: (d: Cell) => d.bin.from, x2: (d: Cell) => d.bin.to, y: 'exit', inset: 0.5 } as const;
  const coloured = cells.filter(({ excess }) => excess !== null && excess > 0);
  const missing = cells.filter(({ excess }) => excess === null);
  const edges = edgesOf(table.bins, width === 'wide' ? 10 : 5);
  const fillOf = ({ excess }: Cell): string => heat(domain ? logShare(domain, excess ?? NaN) : 0);
  const row = exits.length > 16 ? rowHeight.many : rowHeight.few;
  const options: Plot.PlotOptions = {
    height: marginTop + row * exits.length + 46,
    marginTop,
    marginLeft,
    marginRight,
    marginBottom: 46,
    x: { domain: [0, table.steps], reverse: true, label: null },
    y: { type: 'band', domain: exits, reverse: true, padding: 0, label: null },
    marks: [
      Plot.barX(coloured, {
        ...place,
        fill: { value: fillOf, scale: null },
        title: 'title',
        className: 'cell',
      }),
      Plot.barX(
        cells.filter(({ excess }) => excess === 0),
        { ...place, inset: 1.5, fill: ink.surface, stroke: ink.rule, title: 'title', className: 'cell none' },
      ),
      Plot.barX(missing, {
        ...place,
        inset: 1.5,
        fill: ink.surface,
        stroke: ink.rule,
        strokeDasharray: '2,2',
        title: 'title',
        className: 'cell missing',
      }),
      Plot.text(missing, {
        x: ({ bin }: Cell) => (bin.from + bin.to) / 2,
        y: 'exit',
        text: () => '×',
        fill: ink.muted,
        className: 'missing-mark',
      }),
      Plot.axisY({
        ticks: everyFew(exits, row),
        tickSize: 0,
        label: 'exit',
        labelAnchor: 'center',
        fill: ink.text,
      }),
      Plot.axisX(
        edges.map(({ t }) => t),
        {
          anchor: 'bottom',
          label: '← noise · native t · data →',
          labelAnchor: 'center',
          labelArrow: 'none',
          labelOffset: 40,
          fill: ink.text,
          tickFormat: String,
        },
      ),
      Plot.axisX(
        edges.map(({ t }) => t),
        {
          anchor: 'top',
          label: 'log-SNR',
          labelAnchor: 'center',
          labelArrow: 'none',
          labelOffset: 40,
          fill: ink.text,
          tickFormat: (t: number) => signed(edges.find((edge) => edge.t === t)?.logSnr ?? NaN),
        },
      ),
    ],
  };
  return draw(
    width,
    labelOf(table, domain, missing.length),
    options,
    domain && keyOf(domain, marginLeft, width),
  );
}

function cellsOf({ exits, bins, excess }: ErrorTable): Cell[] {
  return exits.flatMap(({ exit }, i) =>
    bins.map((bin, j) => {
      const value = excess.mean[i]?.[j] ?? null;
      const error = excess.standardError[i]?.[j] ?? null;
      const range = error === null ? '' : ` ± ${error.toPrecision(2)}`;
      const found = value === null ? 'not measured' : `excess ${value.toPrecision(3)}${range}`;
      return { exit, bin, excess: value, title: `exit ${exit}, ${binName(bin)}: ${found}` };
    }),
  );
}

/** Edges of the bins with their log-SNR, at most about `most` of them. */
function edgesOf(bins: readonly TimeBin[], most: number): { t: number; logSnr: number }[] {
  const stride = Math.ceil(bins.length / most);
  const inner = bins.filter((_, i) => i % stride === 0 && i + stride <= bins.length);
  const last = bins.at(-1);
  return [
    ...inner.map(({ from, logSnrFrom }) => ({ t: from, logSnr: logSnrFrom })),
    ...(last ? [{ t: last.to, logSnr: last.logSnrTo }] : []),
  ];
}

/** Names of rows that are too thin to carry one each. */
function everyFew(exits: readonly number[], row: number): number[] {
  const stride = Math.ceil(exits.length / (row === rowHeight.few ? 16 : 20));
  return exits.filter((_, i) => (exits.length - 1 - i) % stride === 0);
}

function keyOf(domain: [number, number], marginLeft: number, width: PlotWidth): Inset {
  const parts = 48;
  const [low, high] = domain;
  const at = (share: number): number => low * (high / low) ** share;
  const steps = Array.from({ length: parts }, (_, i) => i);
  return {
    x: marginLeft - 10,
    y: 0,
    options: {
      width: width === 'wide' ? 340 : 290,
      height: 52,
      marginTop: 20,
      marginBottom: 22,
      marginLeft: 10,
      marginRight: 20,
      x: { type: 'log', domain, label: null },
      marks: [
        Plot.rect(steps, {
          x1: (i: number) => at(i / parts),
          x2: (i: number) => at((i + 1) / parts),
          y1: 0,
          y2: 1,
          fill: { value: (i: number) => heat((i + 0.5) / parts), scale: null },
        }),
        Plot.axisX(logTicks(domain, 6), { text: logTick, tickSize: 4, fill: ink.text }),
        Plot.axisY({ ticks: [], label: null }),
        Plot.text(['excess over full depth (log scale)'], {
          frameAnchor: 'top-left',
          dy: -16,
          fill: ink.muted,
        }),
      ],
    },
  };
}

function labelOf({ exits, bins }: ErrorTable, domain: [number, number] | undefined, missing: number): string {
  const range = domain ? `, from ${domain[0].toPrecision(2)} to ${domain[1].toPrecision(2)}` : '';
  const gap = missing > 0 ? `; ${missing} cells were not measured` : '';
  return `Heat map of the excess error of ${exits.length} exits in ${bins.length} time bins${range}${gap}.`;
}

/** With a true minus sign. */
function signed(value: number): string {
  const text = Math.abs(value).toFixed(1);
  return value < 0 && Number(text) !== 0 ? `−${text}` : text;
}
