// What do the paths in a config stand relative to? Always the file that they stand in; in memory, the working folder.
import { isAbsolute, relative, resolve, sep } from 'node:path';
import { isHubAddress } from '../hub/address.js';
import { configKeys } from './keys.js';
import type { ConfigKind } from './schema.js';
import { isRecord } from '../files/places.js';

/**
 * The same config with its relative paths, which stood relative to `from`, relative to `to`. Absolute ones stay, and
 * sources on the hub.
 */
export function movePaths(kind: ConfigKind, config: unknown, from: string, to: string): unknown {
  const files = configKeys(kind).filter(({ isFile }) => isFile);
  return files.reduce(
    (moved, { key }) => change(moved, key.split('.'), (path) => move(path, from, to)),
    config,
  );
}

function move(path: string, from: string, to: string): string {
  if (isAbsolute(path) || isHubAddress(path)) return path;
  return relative(resolve(to), resolve(from, path)).split(sep).join('/') || '.';
}

function change(config: unknown, key: readonly string[], by: (path: string) => string): unknown {
  const [first, ...rest] = key;
  if (first === undefined) return typeof config === 'string' && config !== '' ? by(config) : config;
  if (!isRecord(config) || !Object.hasOwn(config, first)) return config;
  return { ...config, [first]: change(config[first], rest, by) };
}
