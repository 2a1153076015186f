// Which config do these files and flags make? Defaults, then what the file extends, then the file, then the flags.
import { stringify } from 'yaml';
import { UserError } from '../errors.js';
import { fileLayers, merge, settingLayer, type Layer, type Setting } from './layers.js';
import { check } from './parse.js';
import { movePaths } from './paths.js';
import { keyName, refusal, type Problem } from './problems.js';
import type { ConfigKind, ConfigOf } from './schema.js';

export interface LoadOptions<Kind extends ConfigKind> {
  /** What the config is for: which keys it must and may have. */
  readonly kind: Kind;
  /** Keys set on the command line; later ones win. */
  readonly set?: readonly Setting[];
}

export interface Loaded<Kind extends ConfigKind> {
  readonly kind: Kind;
  /** Frozen. Paths are relative to the working folder, unless they were given absolute. */
  readonly config: ConfigOf[Kind];
  /** The files and flags it was made of; a later one wins. */
  readonly sources: readonly string[];
}

/**
 * Loads and checks a config.
 * @param path of a YAML file; without one, the flags and defaults are the config
 * @throws UserError with all that is wrong, each with its place: `file:line:column  key: found, expected`
 */
export async function loadConfig<Kind extends ConfigKind>(
  path: string | undefined,
  { kind, set = [] }: LoadOptions<Kind>,
): Promise<Loaded<Kind>> {
  const layers = [...(path === undefined ? [] : await fileLayers(path)), ...set.map(settingLayer)];
  const value = layers
    .map(({ data, folder }) => movePaths(kind, data, folder, '.'))
    .reduce<unknown>(merge, {});
  const checked = check(kind, value);
  if (checked.ok) return { kind, config: checked.config, sources: layers.map(({ name }) => name) };
  const meant = (['pretrain', 'train'] as const).find((other) => check(other, value).ok);
  if (path !== undefined && meant !== undefined)
    throw new UserError(
      `${path}: is a config for ${meant}, not for ${kind}; run \`exithead ${meant} ${path}\` or give another one`,
    );
  throw refusal(inOrder(checked.problems.map((problem) => line(problem, layers, path ?? 'command line'))));
}

/**
 * A config as YAML for `folder`: loaded from there it is the same config again, whatever the working folder then is.
 * Paths come out relative to that folder, unless they were given absolute.
 */
export function configYaml<Kind extends ConfigKind>({ kind, config }: Loaded<Kind>, folder: string): string {
  const text = stringify(movePaths(kind, config, '.', folder), {
    lineWidth: 0,
    aliasDuplicateObjects: false,
  });
  return `# Every key with its value, as exithead ran it. Paths are relative to this file.\n${text}`;
}

function line({ path, at, message }: Problem, layers: readonly Layer[], main: string): string {
  return `${placeOf(path, at, layers) ?? main}  ${keyName(path)}: ${message}`;
}

/** Where the key stands; for one that is missing, where the map stands that should have it. */
function placeOf(path: Problem['path'], at: Problem['at'], layers: readonly Layer[]): string | undefined {
  const find = (key: Problem['path'], from: readonly Layer[], what: Problem['at']): string | undefined =>
    from.reduce<string | undefined>((found, layer) => layer.locate(key, what) ?? found, undefined);
  const exact = find(path, layers, at);
  if (exact !== undefined) return exact;
  const files = layers.filter(({ isFile }) => isFile);
  for (let length = path.length - 1; length > 0; length--) {
    const around = find(path.slice(0, length), files, 'key');
    if (around !== undefined) return around;
  }
  return files.length > 0 ? `${files.at(-1)?.name}:1:1` : undefined;
}

/** As they stand in the file, so that a reader goes through it once. */
function inOrder(lines: readonly string[]): string[] {
  return lines.toSorted((a, b) => a.localeCompare(b, 'en', { numeric: true }));
}
