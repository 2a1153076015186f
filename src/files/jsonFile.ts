// How is one of the project's JSON files read, checked and refused? All carry `format` and `version`.
import { readFile, stat } from 'node:fs/promises';
import { z } from 'zod';
import { nearest } from '../nearest.js';
import { messageOf, UserError } from '../errors.js';
import { placesInJson, valueAt, type KeyPath, type Places } from './places.js';
import { namesOf } from './schemaNodes.js';
import { writeFileAtomic } from './write.js';

/** What a kind of JSON file is told by. */
interface Told<T> {
  readonly schema: z.ZodType<T>;
  /** What makes a file of an older version one of this, by that version. */
  readonly older?: Readonly<Record<number, (json: Readonly<Record<string, unknown>>) => unknown>>;
  /** What the file is, for messages: 'a schedule'. */
  readonly noun: string;
  /** How the user gets a good one. */
  readonly remedy: string;
  /** Larger files are none of ours: reading one would only fill the memory; 64 MiB unless given. */
  readonly mostBytes?: number;
}

/** A kind of JSON file. */
export interface JsonFormat<T> extends Told<T> {
  /** Value of `format` in the file. */
  readonly name: string;
  /** Value of `version` in the file. */
  readonly version: number;
}

/** Name and version are those that the schema asks for. */
interface Named {
  readonly shape: Readonly<Record<'format', { readonly value: string }>> &
    Readonly<Record<'version', { readonly value: number }>>;
}

export function jsonFormat<T>(told: Told<T> & { readonly schema: Named }): JsonFormat<T> {
  const { format, version } = told.schema.shape;
  return { ...told, name: format.value, version: version.value };
}

const mostProblems = 12;

/**
 * Reads and checks a file; nothing in it is trusted.
 * @throws UserError naming the file, what is wrong in it and how to get a good one
 */
export async function readJsonFile<T>(path: string, format: JsonFormat<T>): Promise<T> {
  const text = await readText(path, format);
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    throw new UserError(`${path} is not JSON (${messageOf(error)}). ${format.remedy}`);
  }
  return checked(json, path, format, () => placesInJson(text));
}

/**
 * Checks a value against its format.
 * @param path where it comes from, for messages
 * @param placesOf where keys stand in it, asked for if something is wrong
 */
export function checked<T>(
  json: unknown,
  path: string,
  format: JsonFormat<T>,
  placesOf: () => Places = () => () => undefined,
): T {
  const { name, version, noun, remedy, schema } = format;
  const head = z.object({ format: z.unknown(), version: z.unknown() }).partial().safeParse(json);
  const found = head.success ? head.data : {};
  if (found.format !== name)
    throw new UserError(
      `${path} is not ${noun}: its format is ${shown(found.format)}, expected "${name}". ${remedy}`,
    );
  const upgrade = typeof found.version === 'number' ? format.older?.[found.version] : undefined;
  if (upgrade) return checked(upgrade(z.record(z.string(), z.unknown()).parse(json)), path, format, placesOf);
  if (found.version !== version)
    throw new UserError(
      `${path} is ${noun} of version ${shown(found.version)}, and this exithead reads version ${version}. ` +
        `Install the version of exithead that wrote it, or write it anew. ${remedy}`,
    );
  const parsed = schema.safeParse(json);
  if (parsed.success) return parsed.data;
  const lines = problems(parsed.error, format, json, { path, find: placesOf() });
  throw new UserError(`${path} is ${noun} with mistakes:\n${lines}\n${remedy}`);
}

/** Checks the value, then writes it as one whole file. */
export async function writeJsonFile<T>(path: string, format: JsonFormat<T>, value: T): Promise<void> {
  const result = format.schema.safeParse(value);
  if (!result.success)
    throw new Error(`made ${format.noun} with mistakes:\n${problems(result.error, format, value)}`);
  await writeFileAtomic(path, jsonText(result.data));
}

/** Indented, but a list of plain values stays on one line, so that a person can read and compare files. */
export function jsonText(value: unknown): string {
  return `${indented(value, '')}\n`;
}

function indented(value: unknown, margin: string): string {
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  const inner = `${margin}  `;
  const lines = (items: readonly string[]): string => `\n${inner}${items.join(`,\n${inner}`)}\n${margin}`;
  if (!Array.isArray(value)) {
    const entries = Object.entries(value).filter(([, item]) => item !== undefined);
    if (entries.length === 0) return '{}';
    return `{${lines(entries.map(([key, item]) => `${JSON.stringify(key)}: ${indented(item, inner)}`))}}`;
  }
  const items = value.map((item) => indented(item, inner));
  const isFlat = value.every((item) => typeof item !== 'object' || item === null);
  return isFlat ? `[${items.join(', ')}]` : `[${lines(items)}]`;
}

/** The text of a file of that kind. @throws UserError if it cannot be read, or is too large to be one */
export async function readText(
  path: string,
  { noun, remedy, mostBytes = 64 * 2 ** 20 }: Pick<JsonFormat<unknown>, 'noun' | 'remedy' | 'mostBytes'>,
): Promise<string> {
  try {
    const entry = await stat(path);
    // A pipe would wait for ever.
    if (!entry.isFile()) throw new UserError(`${path} is not a file, expected ${noun}. ${remedy}`);
    if (entry.size > mostBytes)
      throw new UserError(`${path} has ${entry.size} bytes; ${noun} has at most ${mostBytes}. ${remedy}`);
    return await readFile(path, 'utf8');
  } catch (error) {
    if (error instanceof UserError) throw error;
    throw new UserError(`cannot read ${path}, expected ${noun} (${messageOf(error)}). ${remedy}`);
  }
}

/** A line for every mistake: `file:line:column  key: what was found, what was expected`. */
function problems<T>(
  error: z.ZodError,
  { schema }: JsonFormat<T>,
  json: unknown,
  places?: { readonly path: string; readonly find: Places },
): string {
  const line = (path: KeyPath, at: 'key' | 'value', message: string): string => {
    const place = places?.find(path, at);
    return `  ${place === undefined ? '' : `${places?.path}:${place}  `}${path.join('.') || 'file'}: ${message}`;
  };
  const lines = error.issues.flatMap((issue) => {
    const { path, message } = issue;
    if (issue.code === 'custom') return line(path, 'value', message);
    if (issue.code !== 'unrecognized_keys')
      return line(path, 'value', `${message} (found ${shown(valueAt(json, path))})`);
    return issue.keys.map((name) => {
      const names = namesOf(schema, path);
      const meant = nearest(name, names);
      const hint = meant === undefined ? `expected one of ${names.join(', ')}` : `did you mean ${meant}?`;
      return line([...path, name], 'key', `is unknown; ${hint}`);
    });
  });
  const more = lines.length > mostProblems ? [`  and ${lines.length - mostProblems} more`] : [];
  return [...lines.slice(0, mostProblems), ...more].join('\n');
}

/** A value of JSON in a few words; what nests without end would not be written out in time. */
export function shown(value: unknown): string {
  if (value === undefined) return 'missing';
  if (typeof value === 'object' && value !== null) return Array.isArray(value) ? 'a list' : 'an object';
  const text = JSON.stringify(value);
  return text.length > 60 ? `${text.slice(0, 60)}...` : text;
}
