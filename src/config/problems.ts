// What is wrong in a config, in words a user can act on?
import type { z } from 'zod';
import { UserError } from '../errors.js';
import { nearest } from '../nearest.js';
import { configKeys, expectedAt, kindsWith, meaningAt, namesAt } from './keys.js';
import { valueAt, type KeyPath } from '../files/places.js';
import type { ConfigKind } from './schema.js';

export interface Problem {
  readonly path: KeyPath;
  /** Whether the key itself is wrong, or what stands there. */
  readonly at: 'key' | 'value';
  /** What was found, what was expected. */
  readonly message: string;
  /** Whether nothing is there, so that another file may still say it. */
  readonly isMissing: boolean;
}

/** More than a person reads at once. */
const mostProblems = 30;

/**
 * Zod's issues as problems.
 * @param value what was checked
 */
export function problemsOf(kind: ConfigKind, error: z.ZodError, value: unknown): Problem[] {
  return error.issues.flatMap((issue): Problem[] => {
    const { path } = issue;
    if (issue.code === 'unrecognized_keys')
      return issue.keys.slice(0, mostProblems + 1).map((name) => ({
        path: [...path, name],
        at: 'key',
        message: unknownKey(kind, path, name, value),
        isMissing: false,
      }));
    if (issue.code === 'custom') {
      const unset = valueAt(value, path) === undefined ? '; it is not set, and that is its default' : '';
      return [{ path, at: 'value', message: `${issue.message}${unset}`, isMissing: false }];
    }
    return [wrongValue(kind, path, value)];
  });
}

/** All lines in one message, unless there are too many to read. */
export function refusal(lines: readonly string[]): UserError {
  const more = lines.length > mostProblems ? ['and more'] : [];
  return new UserError([...lines.slice(0, mostProblems), ...more].join('\n'));
}

/** How a key is written: `heads.exits.2`, with odd characters made visible. */
export function keyName(path: KeyPath): string {
  return path
    .map((segment) => (/^[\w-]+$/.test(String(segment)) ? String(segment) : shown(String(segment))))
    .join('.');
}

/** A value, short enough for one line. */
export function shown(value: unknown): string {
  if (value === null) return 'nothing';
  if (Array.isArray(value)) return cut(`[${value.slice(0, 20).map(shown).join(', ')}]`);
  if (typeof value === 'object') return 'a map';
  if (typeof value === 'string') return cut(JSON.stringify(value.slice(0, 100)));
  return typeof value === 'number' || typeof value === 'boolean' ? `${value}` : `a ${typeof value}`;
}

function cut(text: string): string {
  return text.length > 60 ? `${text.slice(0, 57)}...` : text;
}

function wrongValue(kind: ConfigKind, path: KeyPath, value: unknown): Problem {
  const found = valueAt(value, path);
  const expected = expectedAt(kind, path) ?? 'nothing';
  if (found !== undefined)
    return { path, at: 'value', message: `found ${shown(found)}, expected ${expected}`, isMissing: false };
  const meaning = meaningAt(kind, path);
  const message = `is missing, expected ${expected}${meaning ? ` (${meaning})` : ''}`;
  return { path, at: 'value', message, isMissing: true };
}

function unknownKey(kind: ConfigKind, path: KeyPath, name: string, value: unknown): string {
  const full = [...path, name];
  const others = kindsWith(full);
  if (others.includes(kind)) {
    // Known, but not beside the `kind` that stands there.
    return `does not go with ${keyName([...path, 'kind'])}, which is ${shown(valueAt(value, [...path, 'kind']))}; remove it`;
  }
  if (others.length > 0) return `is for ${others.join(' and ')}, not for ${kind}; remove it`;
  const siblings = path.length === 0 ? [...namesAt(kind, path), 'extends'] : namesAt(kind, path);
  const meant = nearest(name, siblings);
  if (meant !== undefined) return `is unknown; did you mean ${keyName([...path, meant])}?`;
  const elsewhere = configKeys(kind).find(({ key }) => key.endsWith(`.${name}`));
  if (elsewhere) return `is unknown here; did you mean ${elsewhere.key}?`;
  return `is unknown, expected one of ${siblings.join(', ')}`;
}
