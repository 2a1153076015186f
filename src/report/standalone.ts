// How does a plot of a page become a picture file of its own? It takes the page's colours along.
import { theme } from './style.js';

/** @param svg as `draw` gives it */
export function standalone(svg: string): string {
  const named = svg.replace(/^<svg /, '<svg xmlns="http://www.w3.org/2000/svg" ');
  const colours = `<style>${theme}svg { background: var(--surface); }</style>`;
  return `${named.replace(/^<svg[^>]*>/, (start) => `${start}${colours}`)}\n`;
}
