// What is known about a key: what may stand there, what it means? All of it read from the schema.
import { branches, namesIn, nodesIn, treeOf, type Node } from '../files/schemaNodes.js';
import type { KeyPath } from '../files/places.js';
import { configKinds, schemas, type ConfigKind } from './schema.js';

export interface Key {
  /** Such as `train.batch`. */
  readonly key: string;
  /** What may stand there: `a whole number from 1 to 65536`. */
  readonly expected: string;
  readonly meaning: string;
  /** Absent where there is none; such a key is optional unless `required`. */
  readonly default?: unknown;
  readonly required: boolean;
  /** Whether it is a path. */
  readonly isFile: boolean;
}

const trees = new Map<ConfigKind, Node>();

function tree(kind: ConfigKind): Node {
  const known = trees.get(kind);
  if (known) return known;
  const made = treeOf(schemas[kind]);
  trees.set(kind, made);
  return made;
}

/** Every key of a purpose, in the order of the schema. */
export function configKeys(kind: ConfigKind): readonly Key[] {
  return leaves(tree(kind), []);
}

/** What is known about one key, if it exists. */
export function keyAt(kind: ConfigKind, key: string): Key | undefined {
  return configKeys(kind).find((known) => known.key === key);
}

/** Names that may stand in the map at `path`. */
export function namesAt(kind: ConfigKind, path: KeyPath): string[] {
  return namesIn(tree(kind), path);
}

/** What may stand at `path`, in words; undefined where nothing may. */
export function expectedAt(kind: ConfigKind, path: KeyPath): string | undefined {
  const nodes = nodesAt(kind, path);
  return nodes.length > 0 ? inWords(nodes) : undefined;
}

export function meaningAt(kind: ConfigKind, path: KeyPath): string | undefined {
  return nodesAt(kind, path).find(({ description }) => description !== undefined)?.description;
}

/** Purposes in which a key exists. */
export function kindsWith(path: KeyPath): ConfigKind[] {
  return configKinds.filter((kind) => nodesAt(kind, path).length > 0);
}

function nodesAt(kind: ConfigKind, path: KeyPath): readonly Node[] {
  return nodesIn(tree(kind), path);
}

function leaves(node: Node, path: readonly string[]): Key[] {
  const names = [...new Set(branches(node).flatMap(({ properties = {} }) => Object.keys(properties)))];
  return names.flatMap((name) => {
    const found = branches(node).flatMap((branch) => {
      const child = branch.properties?.[name];
      return child ? [{ child, required: branch.required?.includes(name) ?? false }] : [];
    });
    // Under one kind a name may hold a map, under another a value.
    const isMap = ({ child }: { readonly child: Node }): boolean =>
      branches(child).some(({ properties }) => properties);
    const map = found.find(isMap)?.child;
    const values = found.filter((one) => !isMap(one));
    const first = values[0]?.child;
    const inner = map ? leaves(map, [...path, name]) : [];
    if (!first) return inner;
    return [
      {
        key: [...path, name].join('.'),
        expected: inWords(values.flatMap(({ child }) => branches(child))),
        meaning: first.description ?? '',
        ...('default' in first && { default: first.default }),
        required: values.length === branches(node).length && values.every(({ required }) => required),
        isFile: first.file ?? false,
      },
      ...inner,
    ];
  });
}

function inWords(nodes: readonly Node[]): string {
  const values = nodes.flatMap((node) => ('const' in node ? [node.const] : (node.enum ?? [])));
  const others = nodes.filter((node) => !('const' in node) && !node.enum).map(typeInWords);
  const fixed = values.length > 1 && others.length === 0 ? `one of ${values.join(', ')}` : values.join(', ');
  return [...new Set([...(fixed ? [fixed] : []), ...others])].join(' or ');
}

function typeInWords(node: Node): string {
  if (node.expected !== undefined) return node.expected;
  switch (node.type) {
    case 'integer':
      return `a whole number${range(node)}`;
    case 'number':
      return `a number${range(node)}`;
    case 'boolean':
      return 'true or false';
    case 'string':
      return node.file ? 'a path' : 'text';
    case 'array':
      return `a list, each ${inWords(branches(node.items ?? {}))}`;
    case 'object':
      return `a map with ${Object.keys(node.properties ?? {}).join(', ')}`;
    case undefined:
    default:
      throw new Error(`a config key has no type that can be named: ${JSON.stringify(node)}`);
  }
}

function range({ minimum, maximum, exclusiveMinimum, exclusiveMaximum }: Node): string {
  if (minimum !== undefined && maximum !== undefined) return ` from ${minimum} to ${maximum}`;
  const least = exclusiveMinimum !== undefined ? [`above ${exclusiveMinimum}`] : [`at least ${minimum}`];
  const most = exclusiveMaximum !== undefined ? [`below ${exclusiveMaximum}`] : [`at most ${maximum}`];
  return ` ${[...least, ...most].join(' and ')}`;
}
