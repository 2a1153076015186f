// Where in a YAML or JSON text does a key stand?
import { isAlias, isMap, isScalar, isSeq, LineCounter, parseDocument, Parser, type Document } from 'yaml';

/** Names of maps and places in lists, from the outside in. */
export type KeyPath = readonly PropertyKey[];

/** Levels that a file of ours may be nested. */
export const mostDepth = 30;

/** Whether YAML is nested too deep to be composed, which recurses; the parser below does not. */
export function isTooDeep(text: string): boolean {
  const stack: { token: unknown; depth: number }[] = [...new Parser().parse(text)].map((token) => ({
    token,
    depth: 0,
  }));
  for (let top = stack.pop(); top; top = stack.pop()) {
    const { token, depth } = top;
    if (depth > mostDepth) return true;
    if (!isRecord(token)) continue;
    stack.push({ token: token.type === 'document' ? token.value : undefined, depth });
    if (!Array.isArray(token.items)) continue;
    for (const item of token.items as readonly unknown[])
      if (isRecord(item))
        stack.push({ token: item.key, depth: depth + 1 }, { token: item.value, depth: depth + 1 });
  }
  return false;
}

export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Where in the text a key or what stands there begins, if the document has it. */
export function offsetOf(document: Document, keys: KeyPath, at: 'key' | 'value'): number | undefined {
  let node: unknown = document.contents;
  let key: unknown;
  for (const segment of keys) {
    if (isAlias(node)) node = node.resolve(document);
    if (isMap(node)) {
      const pair = node.items.find((item) => isScalar(item.key) && item.key.value === String(segment));
      if (!pair) return undefined;
      [key, node] = [pair.key, pair.value];
    } else if (isSeq(node) && typeof segment === 'number' && segment in node.items) {
      key = node = node.items[segment];
    } else return undefined;
  }
  const target = at === 'value' && hasRange(node) ? node : key;
  return hasRange(target) ? target.range[0] : undefined;
}

function hasRange(node: unknown): node is { readonly range: readonly [number, ...number[]] } {
  return isRecord(node) && Array.isArray(node.range) && typeof node.range[0] === 'number';
}

/** What stands at a path of maps and lists, if something does. */
export function valueAt(value: unknown, path: KeyPath): unknown {
  return path.reduce<unknown>((inner, segment) => {
    if (typeof inner !== 'object' || inner === null || !Object.hasOwn(inner, segment)) return undefined;
    return (inner as Readonly<Record<PropertyKey, unknown>>)[segment];
  }, value);
}

/** Longer texts take seconds to look through. */
const mostSearched = 2 ** 21;

/** Tells `line:column` of a key, or of what stands there; of what is around it where that is missing. */
export type Places = (path: KeyPath, at: 'key' | 'value') => string | undefined;

/** Finds places in JSON, which is YAML, too; none where the text is too long or nested too deep. */
export function placesInJson(text: string): Places {
  if (text.length > mostSearched || isTooDeep(text)) return () => undefined;
  const positions = new LineCounter();
  const document = parseDocument(text, { lineCounter: positions, version: '1.2', logLevel: 'error' });
  return (path, at) => {
    for (let length = path.length; length > 0; length--) {
      const offset = offsetOf(document, path.slice(0, length), length === path.length ? at : 'key');
      if (offset === undefined) continue;
      const { line, col } = positions.linePos(offset);
      return `${line}:${col}`;
    }
    return undefined;
  };
}
