// Which shapes does a drawn plot hold? Read back from its SVG text.
import { parseHTML } from 'linkedom';

export interface Shape {
  readonly title: string;
  /** An attribute, empty if missing. */
  readonly attribute: (name: string) => string;
  /** An attribute as a number. */
  readonly number: (name: string) => number;
}

interface Node {
  readonly textContent: string;
  getAttribute(name: string): string | null;
  querySelectorAll(selector: string): Iterable<Node>;
}

function rootOf(svg: string | undefined): Node {
  const page: unknown = parseHTML(`<!doctype html><html><body>${svg ?? ''}</body></html>`);
  return (page as { document: Node }).document;
}

/** Shapes that match, such as `.cell rect`, in the order of drawing. */
export function shapes(svg: string | undefined, selector: string): Shape[] {
  return [...rootOf(svg).querySelectorAll(selector)].map((node) => {
    const attribute = (name: string): string => node.getAttribute(name) ?? '';
    const [title] = node.querySelectorAll('title');
    return { title: title?.textContent ?? '', attribute, number: (name) => Number(attribute(name)) };
  });
}

/** All texts that can be seen. */
export function texts(svg: string | undefined): string[] {
  return [...rootOf(svg).querySelectorAll('text')].map(({ textContent }) => textContent);
}

/** Ends of the straight pieces of a path, in pixels. */
export function corners(path: string): [number, number][] {
  return [...path.matchAll(/[ML](-?[\d.]+),(-?[\d.]+)/g)].map(([, x, y]) => [Number(x), Number(y)]);
}
