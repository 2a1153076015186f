// Which files and flags does a config consist of? Follows `extends`, and puts one layer over the other.
import { dirname, isAbsolute, join } from 'node:path';
import { messageOf, UserError } from '../errors.js';
import { shown } from './problems.js';
import { isRecord, type KeyPath } from '../files/places.js';
import { readYamlFile, readYamlValue, type YamlFile, type YamlMap } from './yamlFile.js';

/** One source of keys; a later one wins. */
export interface Layer {
  /** A file's path, or a flag as it was typed. */
  readonly name: string;
  readonly data: YamlMap;
  /** Folder against which its paths resolve. */
  readonly folder: string;
  readonly isFile: boolean;
  /** Where a key stands in this layer, if it does. */
  locate(path: KeyPath, at: 'key' | 'value'): string | undefined;
}

/** A key set outside of files. */
export interface Setting {
  /** Such as `train.steps`. */
  readonly key: string;
  /** The value as YAML. */
  readonly text: string;
  /** What the user typed, for messages: `--set train.steps=5`. */
  readonly from: string;
}

const mostFiles = 50;

/**
 * Reads `key.path=value`.
 * @throws UserError if it is anything else
 */
export function parseSetting(text: string): Setting {
  const [, key, value] = /^([^=]+)=([\s\S]*)$/.exec(text) ?? [];
  if (key === undefined || value === undefined || key.split('.').some((segment) => segment.trim() === ''))
    throw new UserError(`--set ${text}: expected key.path=value, such as --set train.steps=500`);
  return { key: key.trim(), text: value, from: `--set ${text}` };
}

/** The layer of one setting. */
export function settingLayer({ key, text, from }: Setting): Layer {
  const segments = key.split('.');
  const value = readYamlValue(text, from);
  const data = segments.reduceRight<unknown>(
    (inner, segment) => Object.fromEntries([[segment, inner]]),
    value,
  );
  return {
    name: from,
    data: isRecord(data) ? data : {},
    folder: '.',
    isFile: false,
    locate: (path) => (has(data, path) ? from : undefined),
  };
}

/**
 * The layers of a file: first what it extends, then itself.
 * @throws UserError if one cannot be read, or they extend each other in a circle
 */
export async function fileLayers(path: string): Promise<Layer[]> {
  return follow(await readYamlFile(path), [], { count: 0 });
}

async function follow(file: YamlFile, chain: readonly YamlFile[], read: { count: number }): Promise<Layer[]> {
  const layers: Layer[] = [];
  for (const base of basesOf(file)) {
    if (++read.count > mostFiles)
      throw new UserError(`${base.from}  extends: leads to more than ${mostFiles} files`);
    const opened = await open(base);
    const below = [...chain, file];
    if (below.some(({ real }) => real === opened.real))
      throw new UserError(
        `${base.from}  extends: goes in a circle, ${[...below, opened].map((one) => one.path).join(' -> ')}; remove one of them`,
      );
    layers.push(...(await follow(opened, below, read)));
  }
  const data = Object.fromEntries(Object.entries(file.data).filter(([name]) => name !== 'extends'));
  return [
    ...layers,
    {
      name: file.path,
      data,
      folder: dirname(file.path),
      isFile: true,
      locate: (path, at) => file.locate(path, at),
    },
  ];
}

interface Base {
  readonly path: string;
  /** Where it is asked for. */
  readonly from: string;
}

function basesOf(file: YamlFile): Base[] {
  const { extends: value } = file.data;
  if (!Object.hasOwn(file.data, 'extends')) return [];
  const bases: readonly unknown[] = Array.isArray(value) ? value : [value];
  return bases.map((base, i) => {
    const from = file.locate(Array.isArray(value) ? ['extends', i] : ['extends'], 'value') ?? file.path;
    if (typeof base !== 'string' || base === '')
      throw new UserError(`${from}  extends: found ${shown(base)}, expected a path or a list of paths`);
    return { path: isAbsolute(base) ? base : join(dirname(file.path), base), from };
  });
}

async function open({ path, from }: Base): Promise<YamlFile> {
  try {
    return await readYamlFile(path);
  } catch (error) {
    if (error instanceof UserError) throw new UserError(`${from}  extends: ${messageOf(error)}`);
    throw error;
  }
}

/** Maps merge key by key; everything else, lists too, is replaced. */
export function merge(below: unknown, above: unknown): unknown {
  if (!isRecord(below) || !isRecord(above)) return above;
  const own = (name: string): unknown => (Object.hasOwn(below, name) ? below[name] : undefined);
  return Object.fromEntries([
    ...Object.entries(below),
    ...Object.entries(above).map(([name, value]) => [name, merge(own(name), value)] as const),
  ]);
}

function has(data: unknown, path: KeyPath): boolean {
  const [first, ...rest] = path;
  if (first === undefined) return true;
  if (typeof data !== 'object' || data === null || !Object.hasOwn(data, first)) return false;
  return has((data as Readonly<Record<PropertyKey, unknown>>)[first], rest);
}
