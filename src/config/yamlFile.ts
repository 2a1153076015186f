// What does one YAML file say, and where? Reads it as data alone: no tags, no bombs, no bottomless nesting.
import { readFile, realpath, stat } from 'node:fs/promises';
import { LineCounter, parseDocument, type Document } from 'yaml';
import { messageOf, UserError } from '../errors.js';
import { isRecord, isTooDeep, mostDepth, offsetOf, type KeyPath } from '../files/places.js';

/** A map as it stands in YAML. */
export type YamlMap = Readonly<Record<string, unknown>>;

export interface YamlFile {
  readonly path: string;
  /** The same for all ways to name the file. */
  readonly real: string;
  readonly data: YamlMap;
  /** `file:line:column` of a key or of what stands there, if the file has it. */
  locate(path: KeyPath, at: 'key' | 'value'): string | undefined;
}

const mostBytes = 64 * 1024;
const mostAliases = 100;

/**
 * Reads a file.
 * @throws UserError naming the file and, where it is not good YAML, every place
 */
export async function readYamlFile(path: string): Promise<YamlFile> {
  const text = await readText(path);
  const { document, positions } = parse(text, path);
  const root: unknown = toData(document, path);
  if (root !== null && !isRecord(root))
    throw new UserError(
      `${path}: found ${Array.isArray(root) ? 'a list' : 'a plain value'}, expected sections such as \`train:\``,
    );
  const place = (offset: number): string => {
    const { line, col } = positions.linePos(offset);
    return `${path}:${line}:${col}`;
  };
  return {
    path,
    real: await realpath(path),
    data: root ?? {},
    locate(keys, at) {
      const offset = offsetOf(document, keys, at);
      return offset === undefined ? undefined : place(offset);
    },
  };
}

/**
 * A value given on the command line, read as YAML.
 * @param from where it comes from, for messages
 */
export function readYamlValue(text: string, from: string): unknown {
  if (text.length > mostBytes) throw new UserError(`${from.slice(0, 60)}...: is too long`);
  return toData(parse(text, from).document, from);
}

async function readText(path: string): Promise<string> {
  const remedy = 'Give a YAML file such as configs/mnist/heads.yaml.';
  try {
    const entry = await stat(path);
    if (entry.isDirectory()) throw new UserError(`${path}: is a folder, expected a config file. ${remedy}`);
    // A pipe or a device might never end.
    if (!entry.isFile())
      throw new UserError(`${path}: is not a regular file, expected a config file. ${remedy}`);
    if (entry.size > mostBytes)
      throw new UserError(
        `${path}: has ${entry.size} bytes, but a config has at most ${mostBytes}. ${remedy}`,
      );
    const text = new TextDecoder('utf-8', { fatal: true }).decode(await readFile(path));
    if (text.includes('\0')) throw new UserError(`${path}: is not text, expected a config file. ${remedy}`);
    return text;
  } catch (error) {
    if (error instanceof UserError) throw error;
    if (isRecord(error) && error.code === 'ENOENT')
      throw new UserError(`${path}: does not exist, expected a config file. ${remedy}`);
    if (isRecord(error) && error.code === 'ERR_ENCODING_INVALID_ENCODED_DATA')
      throw new UserError(`${path}: is not text, expected a config file. ${remedy}`);
    throw new UserError(`${path}: cannot be read (${messageOf(error)}). ${remedy}`);
  }
}

function parse(text: string, from: string): { document: Document; positions: LineCounter } {
  // The composer recurses, so nesting is measured first; the parser below does not.
  if (isTooDeep(text))
    throw new UserError(`${from}: is nested more than ${mostDepth} levels deep, expected sections with keys`);
  const positions = new LineCounter();
  const document = parseDocument(text, {
    lineCounter: positions,
    version: '1.2',
    schema: 'core',
    merge: false,
    stringKeys: true,
    uniqueKeys: true,
    prettyErrors: false,
    resolveKnownTags: false,
    logLevel: 'error',
  });
  const problems = [...document.errors, ...document.warnings]
    .slice(0, 20)
    .map(({ message, pos: [offset] }) => {
      const { line, col } = positions.linePos(offset);
      return `${from}:${line}:${col}  ${message}`;
    });
  if (problems.length > 0)
    throw new UserError(`${problems.join('\n')}\nA config is plain YAML without tags; see https://yaml.org.`);
  return { document, positions };
}

function toData(document: Document, from: string): unknown {
  try {
    const data: unknown = document.toJS({ maxAliasCount: mostAliases });
    // An alias to a map that holds it is a ring.
    JSON.stringify(data);
    return data;
  } catch (error) {
    throw new UserError(
      `${from}: its aliases (*name) cannot be followed (${messageOf(error).split('\n')[0]}); write the values out`,
    );
  }
}
