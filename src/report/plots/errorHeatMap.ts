// Where does leaving early hurt? The error of every exit in every time bin, as a map of colours.
import * as Plot from '@observablehq/plot';
import type { ErrorTable } from '../../schedules/errorTable.js';
import { nameOfShown, shownFirst, statisticOf, type Shown } from '../../schedules/shownErrors.js';
import { binName } from '../../schedules/timeBins.js';
import { draw, heat, ink, type Inset, type PlotWidth } from './draw.js';
import { logDomain, logShare, logTick, logTicks } from './logAxis.js';

interface Cell {
  readonly exit: number;
  /** Where the bin lies along time. */
  readonly from: number;
  readonly to: number;
  /** null: nothing was measured. */
  readonly error: number | null;
  readonly title: string;
}

const rowHeight = { few: 26, many: 14 };
const marginTop = 104;

/**
 * A map of exits (the deepest on top) by time (noise on the left, data on the right), colours by the logarithm of the
 * error. Exits without excess, such as the whole backbone, stay white; what was not measured shows a cross. Bins that are
 * not equally long in native t are drawn equally wide.
 */
export function errorHeatMap(table: ErrorTable, width: PlotWidth, shown: Shown = shownFirst): string {
  const cells = cellsOf(table, shown);
  const measured = cells.flatMap(({ error }) => (error === null ? [] : [error]));
  const domain = logDomain(measured);
  const [marginLeft, marginRight] = [width === 'wide' ? 70 : 48, 16];
  const exits = table.exits.map(({ exit }) => exit);
  const place = { x1: 'from', x2: 'to', y: 'exit', inset: 0.5 } as const;
  const coloured = cells.filter(({ error }) => error !== null && error > 0);
  const missing = cells.filter(({ error }) => error === null);
  const edges = edgesOf(table, width === 'wide' ? 10 : 5);
  const fillOf = ({ error }: Cell): string => heat(domain ? logShare(domain, error ?? NaN) : 0);
  const row = exits.length > 16 ? rowHeight.many : rowHeight.few;
  const options: Plot.PlotOptions = {
    height: marginTop + row * exits.length + 46,
    marginTop,
    marginLeft,
    marginRight,
    marginBottom: 46,
    x: { domain: [0, placeOf(table, table.bins.length - 1).to], reverse: true, label: null },
    y: { type: 'band', domain: exits, reverse: true, padding: 0, label: null },
    marks: [
      Plot.barX(coloured, {
        ...place,
        fill: { value: fillOf, scale: null },
        title: 'title',
        className: 'cell',
      }),
      Plot.barX(
        cells.filter(({ error }) => error === 0),
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
        x: ({ from, to }: Cell) => (from + to) / 2,
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
        edges.map(({ at }) => at),
        {
          anchor: 'bottom',
          label: '← noise · native t · data →',
          labelAnchor: 'center',
          labelArrow: 'none',
          labelOffset: 40,
          fill: ink.text,
          tickFormat: (at: number) => String(edges.find((edge) => edge.at === at)?.t),
        },
      ),
      Plot.axisX(
        edges.map(({ at }) => at),
        {
          anchor: 'top',
          label: 'log-SNR',
          labelAnchor: 'center',
          labelArrow: 'none',
          labelOffset: 40,
          fill: ink.text,
          tickFormat: (at: number) => signed(edges.find((edge) => edge.at === at)?.logSnr ?? NaN),
        },
      ),
    ],
  };
  return draw(
    width,
    labelOf(table, shown, domain, missing.length),
    options,
    domain && keyOf(nameOfShown(table, shown), domain, marginLeft, width),
  );
}

function cellsOf(table: ErrorTable, shown: Shown): Cell[] {
  const { mean, standardError } = statisticOf(table, shown);
  return table.exits.flatMap(({ exit }, i) =>
    table.bins.map((bin, j) => {
      const value = mean[i]?.[j] ?? null;
      const error = standardError[i]?.[j] ?? null;
      const range = error === null ? '' : ` ± ${error.toPrecision(2)}`;
      const found = value === null ? 'not measured' : `${shown.errors} ${value.toPrecision(3)}${range}`;
      return {
        ...{ exit, error: value, ...placeOf(table, j) },
        title: `exit ${exit}, ${binName(bin)}: ${found}`,
      };
    }),
  );
}

/** Where a bin lies along time: by its native t, or by its number where bins are not equally long. */
function placeOf({ bins, binning = 'native' }: ErrorTable, i: number): { from: number; to: number } {
  const bin = bins[i];
  if (binning !== 'native' || !bin) return { from: i, to: i + 1 };
  return { from: bin.from, to: bin.to };
}

/** Edges of the bins with their log-SNR, at most about `most` of them. */
function edgesOf(table: ErrorTable, most: number): { at: number; t: number; logSnr: number }[] {
  const { bins } = table;
  const stride = Math.ceil(bins.length / most);
  const edges = bins.map(({ from, logSnrFrom }, i) => ({
    ...{ at: placeOf(table, i).from, t: from, logSnr: logSnrFrom },
  }));
  const last = bins.at(-1);
  return [
    ...edges.filter((_, i) => i % stride === 0 && i + stride <= bins.length),
    ...(last ? [{ at: placeOf(table, bins.length - 1).to, t: last.to, logSnr: last.logSnrTo }] : []),
  ];
}

/** Names of rows that are too thin to carry one each. */
function everyFew(exits: readonly number[], row: number): number[] {
  const stride = Math.ceil(exits.length / (row === rowHeight.few ? 16 : 20));
  return exits.filter((_, i) => (exits.length - 1 - i) % stride === 0);
}

function keyOf(name: string, domain: [number, number], marginLeft: number, width: PlotWidth): Inset {
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
        Plot.text([`${name} (log scale)`], {
          frameAnchor: 'top-left',
          dy: -16,
          fill: ink.muted,
        }),
      ],
    },
  };
}

function labelOf(
  table: ErrorTable,
  shown: Shown,
  domain: [number, number] | undefined,
  missing: number,
): string {
  const { exits, bins } = table;
  const range = domain ? `, from ${domain[0].toPrecision(2)} to ${domain[1].toPrecision(2)}` : '';
  const gap = missing > 0 ? `; ${missing} cells were not measured` : '';
  return `Heat map of the ${nameOfShown(table, shown)} of ${exits.length} exits in ${bins.length} time bins${range}${gap}.`;
}

/** With a true minus sign. */
function signed(value: number): string {
  const text = Math.abs(value).toFixed(1);
  return value < 0 && Number(text) !== 0 ? `−${text}` : text;
}
