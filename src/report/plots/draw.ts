// How does a plot become SVG text without a browser? Observable Plot draws into the document of linkedom.
import * as Plot from '@observablehq/plot';
import { parseHTML } from 'linkedom';

/** Width in pixels at which a plot is drawn: text keeps its size, so a phone needs a drawing of its own. */
export type PlotWidth = 'wide' | 'narrow';

const pixels: Readonly<Record<PlotWidth, number>> = { wide: 960, narrow: 350 };

/** Colours are CSS variables, so that one drawing serves light and dark pages; style.ts gives their values. */
export const ink = {
  text: 'var(--ink)',
  muted: 'var(--muted)',
  rule: 'var(--rule)',
  surface: 'var(--surface)',
  first: 'var(--first)',
  second: 'var(--second)',
} as const;

/** A colour of the sequential ramp. @param share 0 lowest to 1 highest */
export function heat(share: number): string {
  const percent = Math.round(200 * Math.min(1, Math.max(0, share)));
  return percent <= 100
    ? `color-mix(in oklab, var(--heat-mid) ${percent}%, var(--heat-low))`
    : `color-mix(in oklab, var(--heat-high) ${percent - 100}%, var(--heat-mid))`;
}

/** Text over a plot keeps a rim in the colour of the page. */
export const rim = { stroke: ink.surface, strokeWidth: 4, paintOrder: 'stroke' } as const;

/** What this project uses of a DOM element; TypeScript's own DOM types would claim globals that Node has not. */
interface Element {
  readonly outerHTML: string;
  readonly innerHTML: string;
  setAttribute(name: string, value: string): void;
}

/** A small plot inside another: a key. Both in pixels from the left upper corner. */
export interface Inset {
  readonly x: number;
  readonly y: number;
  readonly options: Plot.PlotOptions;
}

/**
 * SVG text of a plot.
 * @param label what a person who does not see it should know
 */
export function draw(width: PlotWidth, label: string, options: Plot.PlotOptions, inset?: Inset): string {
  const element = plotted({ width: pixels[width], ...options });
  element.setAttribute('role', 'img');
  element.setAttribute('aria-label', label);
  const key = inset ? `<g transform="translate(${inset.x},${inset.y})">${insideOf(inset.options)}</g>` : '';
  return compact(element.outerHTML.replace(/<\/svg>$/, `${key}</svg>`));
}

/** Coordinates to a hundredth of a pixel: the rest is half of the text and none of the picture. */
function compact(svg: string): string {
  const shortened = (attribute: string): string => attribute.replaceAll(/(\.\d\d)\d+/g, '$1');
  return svg.replaceAll(/ (?:d|transform|x|y|x1|x2|y1|y2|cx|cy|width|height)="[^"]*"/g, shortened);
}

function insideOf(options: Plot.PlotOptions): string {
  return plotted(options).innerHTML.replace(/^\s*<style>.*?<\/style>/s, '');
}

function plotted(options: Plot.PlotOptions): Element {
  const page: unknown = parseHTML('<!doctype html><html></html>');
  const { document } = page as { document: object };
  const whole = { style: { fontSize: '13px' }, ...options, document };
  const element: unknown = Plot.plot(whole);
  return element as Element;
}
