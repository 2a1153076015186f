// Which tensors do several .safetensors files hold together? Their index names the file of each.
import { readFile, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { z } from 'zod';
import { messageOf, UserError } from '../errors.js';
import { openSafetensors, type SafetensorsFile } from './safetensors.js';

/** What the name of an index ends with. */
export const indexEnding = '.safetensors.index.json';

const mostIndexBytes = 16 * 2 ** 20;
const mostShards = 1000;

const indexSchema = z.object({ weight_map: z.record(z.string(), z.string()) });

/**
 * Opens all files of an index, which lie beside it. As with one file, their headers alone are read.
 * @throws UserError if the index or a file is not sound, or they do not say the same
 */
export async function openShards(path: string): Promise<SafetensorsFile> {
  const index = await readIndex(path);
  const places = Object.entries(index);
  const files = new Map<string, SafetensorsFile>();
  for (const name of namesIn(path, index)) files.set(name, await openSafetensors(join(dirname(path), name)));
  const missing = places.find(([tensor, file]) => {
    const { tensors = {}, others = {} } = files.get(file) ?? {};
    return !Object.hasOwn(tensors, tensor) && !Object.hasOwn(others, tensor);
  });
  if (missing) throw unsound(path, `it says that ${missing[1]} holds ${missing[0]}, which is not there`);
  const known = new Map(places);
  for (const [file, { tensors, others }] of files)
    for (const tensor of [...Object.keys(tensors), ...Object.keys(others)])
      if (known.get(tensor) !== file)
        throw unsound(path, `${file} holds ${tensor}, which it places in ${known.get(tensor) ?? 'no file'}`);
  const all = [...files.values()];
  return {
    tensors: Object.fromEntries(all.flatMap(({ tensors }) => Object.entries(tensors))),
    others: Object.fromEntries(all.flatMap(({ others }) => Object.entries(others))),
    integers: Object.fromEntries(all.flatMap(({ integers }) => Object.entries(integers))),
    entries: all.flatMap(({ entries }) => entries),
    metadata: Object.fromEntries(all.flatMap(({ metadata }) => Object.entries(metadata))),
  };
}

/** Names of the files of an index. @throws UserError if it is not sound, or names one that is not beside it */
export async function shardNames(path: string): Promise<readonly string[]> {
  return namesIn(path, await readIndex(path));
}

function namesIn(path: string, index: Readonly<Record<string, string>>): readonly string[] {
  const names = [...new Set(Object.values(index))];
  if (names.length > mostShards)
    throw unsound(path, `it names ${names.length} files, at most ${mostShards} are read`);
  // A name that leads elsewhere would have a stranger's file read.
  const strange = names.find((name) => name !== basename(name) || !name.endsWith('.safetensors'));
  if (strange !== undefined)
    throw unsound(path, `it names ${JSON.stringify(strange)}, expected a .safetensors file beside it`);
  return names;
}

async function readIndex(path: string): Promise<Readonly<Record<string, string>>> {
  try {
    const { size } = await stat(path);
    if (size > mostIndexBytes) throw new Error(`it has ${size} bytes, at most ${mostIndexBytes} are read`);
    const { weight_map } = indexSchema.parse(JSON.parse(await readFile(path, 'utf8')));
    return weight_map;
  } catch (error) {
    const cause = error instanceof z.ZodError ? 'it has no weight_map of names to files' : messageOf(error);
    throw unsound(path, cause);
  }
}

function unsound(path: string, what: string): UserError {
  return new UserError(
    `${path} is no sound index of .safetensors files: ${what}. Fetch it and its files again.`,
  );
}
