// Does a checkpoint hold exactly the parameters of a model, in their shapes?
import type { BackboneSpec } from '../backbones/backbone.js';
import { familyOf } from '../backbones/families.js';
import { nearest } from '../nearest.js';
import type { Shapes, Weight } from '../engine/tensors.js';
import { unreachable, UserError } from '../errors.js';
import { filled, grouped, pattern } from './names.js';

/** More than a person reads at once; what differs in numbers alone counts once. */
const mostNamed = 24;
/** Comparing every pattern with every other takes time that a hostile file could make endless. */
const mostPairs = 20_000;
const longestName = 200;

/** What a checkpoint lacks, and what it has that the backbone does not know; names are those of the checkpoint. */
export interface Comparison {
  readonly missing: readonly Missing[];
  readonly misshapen: readonly Misshapen[];
  /** Parameters of a model that is larger than the spec says, such as blocks beyond the depth. */
  readonly beyond: readonly string[];
  /** What nobody asked for, such as buffers that some forks of a model save. */
  readonly unknown: readonly string[];
}

export interface Missing {
  readonly name: string;
  /** It is there, but of a type that weights cannot have. */
  readonly type: string | undefined;
  /** What the checkpoint has under the most similar name. */
  readonly nearest: string | undefined;
}

export interface Misshapen {
  readonly name: string;
  readonly shape: readonly number[];
  readonly expected: readonly number[];
}

/** A checkpoint that does not hold the parameters of a backbone. */
export class Misfit extends UserError {
  constructor(
    path: string,
    readonly spec: BackboneSpec,
    readonly comparison: Comparison,
  ) {
    super(
      [
        `${path} does not hold the weights of ${spec.size} (depth ${spec.depth}, width ${spec.width}, patches of ${spec.patch}, ` +
          `input ${spec.imageSize} x ${spec.imageSize} x ${spec.channels}, ${toldOf(spec)}):`,
        ...comparisonLines(comparison),
        'Give the config.json (or size and imageSize) that belongs to this checkpoint, or another checkpoint.',
      ].join('\n'),
    );
  }
}

export interface Parameters<W extends Weight> {
  readonly weights: Readonly<Record<string, W>>;
  /** Names of what else the checkpoint holds, such as buffers that some forks of a model save. */
  readonly leftOut: readonly string[];
}

/** What a model asks of a checkpoint. */
export interface Asked<W extends Weight> {
  readonly shapes: Shapes;
  /** Whether a name is that of a parameter which other models of this kind have. */
  readonly hasElsewhere: (name: string) => boolean;
  readonly found: Readonly<Record<string, W>>;
  /** What the checkpoint holds that cannot be weights: name and type. */
  readonly others: Readonly<Record<string, string>>;
  /** Under which name the checkpoint holds a tensor, for messages. */
  readonly nameIn: (name: string) => string;
}

export type Fitting<W extends Weight> =
  ({ readonly kind: 'fits' } & Parameters<W>) | { readonly kind: 'misfit'; readonly comparison: Comparison };

/**
 * Picks the parameters of a backbone. What else the file holds is left out, except parameters of a model that is larger
 * than the spec says (blocks beyond the depth, a label table): then the spec is wrong, and the smaller model would run
 * without a word.
 * @param path of the checkpoint, for messages
 * @param others what the checkpoint holds that cannot be weights: name and type
 * @param nameIn under which name the checkpoint holds a tensor, for messages
 * @throws Misfit naming missing keys, keys beyond the model, and wrong shapes with both
 */
export function parametersOf<W extends Weight>(
  path: string,
  spec: BackboneSpec,
  found: Readonly<Record<string, W>>,
  others: Readonly<Record<string, string>> = {},
  nameIn: (name: string) => string = (name) => name,
): Parameters<W> {
  const family = familyOf(spec);
  const hasElsewhere = (name: string): boolean => family.hasElsewhere(name);
  const fit = fitting({ shapes: family.shapes(spec), hasElsewhere, found, others, nameIn });
  switch (fit.kind) {
    case 'fits':
      return fit;
    case 'misfit':
      throw new Misfit(path, spec, fit.comparison);
    default:
      return unreachable(fit);
  }
}

/** Picks the parameters of any model, or says how the checkpoint differs from it. */
export function fitting<W extends Weight>(asked: Asked<W>): Fitting<W> {
  const { shapes, hasElsewhere, found, others, nameIn } = asked;
  const known = Object.entries(shapes).map(([name, shape]) => ({ name, shape, weight: own(found, name) }));
  const strangers = Object.keys(found).filter((name) => !Object.hasOwn(shapes, name));
  const missing = known.filter(({ weight }) => !weight).map(({ name }) => nameIn(name));
  const misshapen = known.flatMap(({ name, shape, weight }) =>
    weight && !isSame(shape, weight.shape)
      ? [{ name: nameIn(name), shape: weight.shape, expected: shape }]
      : [],
  );
  const numbered = beyondModel(strangers, Object.keys(shapes), nameIn);
  const isBeyond = (name: string): boolean => numbered.has(name) || hasElsewhere(name);
  const beyond = strangers.filter(isBeyond).map(nameIn);
  const unknown = strangers.filter((name) => !isBeyond(name)).map(nameIn);
  if (missing.length + misshapen.length + beyond.length === 0) {
    const picked = known.flatMap(({ name, weight }) => (weight ? [[name, weight] as const] : []));
    return { kind: 'fits', weights: Object.fromEntries(picked), leftOut: unknown };
  }
  // Where keys are missing, those that nobody asked for may be the same under other names.
  const similar = nearestNames(missing, unknown);
  const comparison = {
    missing: missing.map((name) => ({ name, type: own(others, name), nearest: similar.get(name) })),
    ...{ misshapen, beyond, unknown },
  };
  return { kind: 'misfit', comparison };
}

/** The comparison as indented lines. */
export function comparisonLines({ missing, misshapen, beyond, unknown }: Comparison): string[] {
  const shapes = ({ shape, expected }: Misshapen): string =>
    `shape [${shape.join(', ')}], expected [${expected.join(', ')}]`;
  const plain = (names: readonly string[]): string[] =>
    grouped(names, (name) => name).map(({ label }) => label);
  const shown = new Set(missing.map((one) => one.nearest));
  const others = unknown.filter((name) => !shown.has(name));
  return [
    ...section('missing', missing.length, missingLines(missing)),
    ...section(
      'of another shape',
      misshapen.length,
      grouped(misshapen, ({ name }) => name, shapes).map(
        ({ label, items: [first] }) => `${label} has ${shapes(first)}`,
      ),
    ),
    ...section('beyond this model', beyond.length, plain(beyond)),
    ...(missing.length > 0 ? section('unknown', others.length, plain(others)) : []),
  ];
}

/** Side by side with what the checkpoint has instead, where that is known. */
function missingLines(missing: readonly Missing[]): string[] {
  const rows = grouped(
    missing,
    ({ name }) => name,
    ({ type, nearest }) => `${type} ${nearest === undefined ? '' : pattern(nearest)}`,
  ).map(({ label, items }) => {
    const [{ type, nearest }] = items;
    const [similar] = grouped(
      items.flatMap((item) => (item.nearest === undefined ? [] : [item.nearest])),
      (name) => name,
    );
    const notes = [
      type === undefined ? '' : `(it is there, but of type ${type}; expected F32, F16 or BF16)`,
      nearest === undefined ? '' : `the file has ${similar?.label ?? nearest}`,
    ].filter((note) => note !== '');
    return { label, note: notes.join(', ') };
  });
  const width = Math.max(0, ...rows.filter(({ note }) => note !== '').map(({ label }) => label.length));
  return rows.map(({ label, note }) => (note === '' ? label : `${label.padEnd(width)}  ${note}`));
}

/** The most similar of the unknown names for each that is missing, if one is similar enough to be meant. */
function nearestNames(missing: readonly string[], unknown: readonly string[]): ReadonlyMap<string, string> {
  const there = new Set(unknown);
  const candidates = [...new Set(unknown.map(pattern))].filter(({ length }) => length <= longestName);
  const asked = [...new Set(missing.map(pattern))];
  if (candidates.length * asked.length > mostPairs) return new Map();
  const similar = new Map(asked.map((name) => [name, nearest(name, candidates)]));
  return new Map(
    missing.flatMap((name) => {
      const open = similar.get(pattern(name));
      const meant = open === undefined ? undefined : filled(open, name);
      return meant !== undefined && there.has(meant) ? [[name, meant] as const] : [];
    }),
  );
}

/** What the backbone is told, in words. */
function toldOf(spec: BackboneSpec): string {
  switch (spec.conditioning) {
    case 'classes':
      return spec.classes === 0 ? 'unconditional' : `${spec.classes} classes`;
    case 'captions':
      return `captions of ${spec.captionChannels} channels`;
    default:
      return unreachable(spec);
  }
}

/** Keys that differ from a parameter in their numbers alone, such as those of a block too many. */
function beyondModel(
  strangers: readonly string[],
  parameters: readonly string[],
  nameIn: (name: string) => string,
): ReadonlySet<string> {
  const patterns = new Set(parameters.map((name) => pattern(nameIn(name))));
  return new Set(strangers.filter((name) => patterns.has(pattern(nameIn(name)))));
}

/** An entry of that name; what every object inherits is none. */
export function own<T>(record: Readonly<Record<string, T>>, name: string): T | undefined {
  return Object.hasOwn(record, name) ? record[name] : undefined;
}

function isSame(a: readonly number[], b: Weight['shape']): boolean {
  return a.length === b.length && a.every((n, i) => n === b[i]);
}

/** All lines if they are few, otherwise the first ones and how many there are. */
function section(what: string, count: number, lines: readonly string[]): string[] {
  if (count === 0) return [];
  const more = lines.length > mostNamed ? [`    and ${lines.length - mostNamed} more`] : [];
  return [`  ${what} (${count}):`, ...lines.slice(0, mostNamed).map((text) => `    ${text}`), ...more];
}
