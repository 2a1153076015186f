// Which names differ in their numbers alone? 28 equal blocks take one line then.

const numbers = /(?<=^|\.)\d+(?=\.|$)/g;
/** More than a person reads. */
const mostRanges = 6;

/** A name with its numbers left open: `blocks.#.attn.qkv.weight`. */
export function pattern(name: string): string {
  return name.replaceAll(numbers, '#');
}

/** The name that has these numbers in a pattern; undefined if they are not as many as the pattern leaves open. */
export function filled(open: string, name: string): string | undefined {
  const own = name.match(numbers) ?? [];
  const places = open.split('#');
  if (places.length !== own.length + 1) return undefined;
  return places.map((place, i) => place + (own[i] ?? '')).join('');
}

export interface NameGroup<T> {
  /** `blocks.{0-27}.attn.qkv.weight`, or the name itself where it stands alone. */
  readonly label: string;
  /** At least one. */
  readonly items: readonly [T, ...T[]];
}

/**
 * Items whose names have the same pattern, in the order of their first ones.
 * @param alike what else must be equal for items to stand together, as text
 */
export function grouped<T>(
  items: readonly T[],
  nameOf: (item: T) => string,
  alike: (item: T) => string = () => '',
): NameGroup<T>[] {
  const groups = new Map<string, [T, ...T[]]>();
  for (const item of items) {
    const key = `${pattern(nameOf(item))}\n${alike(item)}`;
    const group = groups.get(key);
    if (group) group.push(item);
    else groups.set(key, [item]);
  }
  return [...groups.values()].map((group) => ({ label: labelOf(group.map(nameOf)), items: group }));
}

/** @param names of one pattern */
function labelOf(names: readonly string[]): string {
  const [first = ''] = names;
  if (names.length === 1) return first;
  const found = names.map((name) => name.match(numbers) ?? []);
  return pattern(first)
    .split('#')
    .map((place, i) => {
      if (i === 0) return place;
      const values = [...new Set(found.map((own) => own[i - 1] ?? ''))];
      const [only = ''] = values;
      return `${values.length === 1 ? only : `{${ranges(values.map(Number))}}`}${place}`;
    })
    .join('');
}

/** `0-11,14` */
function ranges(values: readonly number[]): string {
  const runs: { from: number; to: number }[] = [];
  for (const value of values.toSorted((a, b) => a - b)) {
    const last = runs.at(-1);
    if (last && value === last.to + 1) last.to = value;
    else runs.push({ from: value, to: value });
  }
  const shown = runs.slice(0, mostRanges).map(({ from, to }) => (from === to ? `${from}` : `${from}-${to}`));
  return [...shown, ...(runs.length > mostRanges ? ['...'] : [])].join(',');
}
