// Does a checkpoint hold exactly the parameters of a backbone, in their shapes?
import type { BackboneSpec } from '../backbones/backbone.js';
import { familyOf } from '../backbones/families.js';
import type { Shapes, Weight } from '../engine/tensors.js';
import { unreachable, UserError } from '../errors.js';

const mostNamed = 12;

/**
 * Picks the parameters of a backbone. What else the file holds is left out, such as buffers that some forks of a model
 * save, except parameters of a model that is larger than the spec says (blocks beyond the depth, a label table): then
 * the spec is wrong, and the smaller model would run without a word.
 * @param path of the checkpoint, for messages
 * @param others what the checkpoint holds that cannot be weights: name and type
 * @param nameIn under which name the checkpoint holds a tensor, for messages
 * @throws UserError naming missing keys, keys beyond the model, and wrong shapes with both
 */
export function parametersOf<W extends Weight>(
  path: string,
  spec: BackboneSpec,
  found: Readonly<Record<string, W>>,
  others: Readonly<Record<string, string>> = {},
  nameIn: (name: string) => string = (name) => name,
): Readonly<Record<string, W>> {
  const family = familyOf(spec);
  const shapes = family.shapes(spec);
  const known = Object.entries(shapes).map(([name, shape]) => ({ name, shape, weight: own(found, name) }));
  const picked = known.flatMap(({ name, weight }) => (weight ? [[name, weight] as const] : []));
  const strangers = Object.keys(found).filter((name) => !Object.hasOwn(shapes, name));
  const missing = known
    .filter(({ weight }) => !weight)
    .map(({ name }) => noted(nameIn(name), own(others, nameIn(name))));
  const wrong = known.flatMap(({ name, shape, weight }) =>
    weight && !isSame(shape, weight.shape)
      ? [`${nameIn(name)} has shape [${weight.shape.join(', ')}], expected [${shape.join(', ')}]`]
      : [],
  );
  const numbered = beyondModel(strangers, shapes);
  const beyond = strangers.filter((name) => numbered.includes(name) || family.hasElsewhere(name));
  if (missing.length + wrong.length + beyond.length === 0) return Object.fromEntries(picked);
  // Where keys are missing, those that nobody asked for may be the same under other names.
  const unknown = strangers.filter((name) => !beyond.includes(name));
  throw new UserError(
    [
      `${path} does not hold the weights of ${spec.size} (depth ${spec.depth}, width ${spec.width}, patches of ${spec.patch}, ` +
        `input ${spec.imageSize} x ${spec.imageSize} x ${spec.channels}, ${toldOf(spec)}):`,
      ...list('missing', missing),
      ...list('of another shape', wrong),
      ...list('beyond this model', beyond.map(nameIn)),
      ...list('unknown', missing.length > 0 ? unknown.map(nameIn) : []),
      'Give the config.json (or size and imageSize) that belongs to this checkpoint, or another checkpoint.',
    ].join('\n'),
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
function beyondModel(strangers: readonly string[], shapes: Shapes): string[] {
  const patterns = new Set(Object.keys(shapes).map(pattern));
  return strangers.filter((name) => patterns.has(pattern(name)));
}

function pattern(name: string): string {
  return name.replaceAll(/(?<=^|\.)\d+(?=\.|$)/g, '#');
}

function own<T>(record: Readonly<Record<string, T>>, name: string): T | undefined {
  return Object.hasOwn(record, name) ? record[name] : undefined;
}

function noted(name: string, type: string | undefined): string {
  return type === undefined ? name : `${name} (it is there, but of type ${type}; expected F32, F16 or BF16)`;
}

function isSame(a: readonly number[], b: Weight['shape']): boolean {
  return a.length === b.length && a.every((n, i) => n === b[i]);
}

/** All if they are few, otherwise the first ones and how many there are. */
function list(what: string, lines: readonly string[]): string[] {
  if (lines.length === 0) return [];
  const more = lines.length > mostNamed ? [`    and ${lines.length - mostNamed} more`] : [];
  return [`  ${what} (${lines.length}):`, ...lines.slice(0, mostNamed).map((text) => `    ${text}`), ...more];
}
