// What lies at a path? The content decides; nothing in it is trusted.
import { readFile, stat } from 'node:fs/promises';
import { readStart, torchFormat } from '../checkpoints/torchArchive.js';
import { UserError } from '../errors.js';

export type Content =
  | { readonly kind: 'folder' }
  | { readonly kind: 'safetensors' }
  | { readonly kind: 'torch' }
  | { readonly kind: 'json'; readonly value: unknown }
  | { readonly kind: 'text' }
  | { readonly kind: 'unknown' };

/** What `inspect` knows, for messages. */
export const inspectable =
  'a backbone (folder, .safetensors, .pt or .pth), a run, a bundle, a config, or one of the files in them';

/** The largest JSON that is worth a look is the index of a checkpoint in many files. */
const mostJsonBytes = 64 * 2 ** 20;
const brace = '{'.charCodeAt(0);

/** @throws UserError if there is nothing, or neither a file nor a folder */
export async function contentOf(path: string): Promise<Content> {
  const entry = await stat(path).catch(() => {
    throw new UserError(`${path} is not there. Give ${inspectable}.`);
  });
  if (entry.isDirectory()) return { kind: 'folder' };
  // A pipe or a device might never end.
  if (!entry.isFile()) throw new UserError(`${path} is neither a file nor a folder. Give ${inspectable}.`);
  const start = await readStart(path);
  if (torchFormat(start) !== undefined) return { kind: 'torch' };
  if (!isText(start)) return start[8] === brace ? { kind: 'safetensors' } : byName(path, { kind: 'unknown' });
  if (!/^\s*[{[]/.test(Buffer.from(start).toString('latin1')) || entry.size > mostJsonBytes)
    return byName(path, { kind: 'text' });
  const value = parsed(await readFile(path, 'utf8'));
  return value === undefined ? byName(path, { kind: 'text' }) : { kind: 'json', value };
}

/** No byte that texts do not have; the length that a .safetensors file begins with has some. */
function isText(start: Uint8Array): boolean {
  return start.length > 0 && start.every((byte) => byte >= 0x20 || (byte >= 0x09 && byte <= 0x0d));
}

/** What is no checkpoint but has the name of one is left to its reader, which says what is wrong. */
function byName(path: string, otherwise: Content): Content {
  if (/\.safetensors$/i.test(path)) return { kind: 'safetensors' };
  if (/\.(pt|pth)$/i.test(path)) return { kind: 'torch' };
  return otherwise;
}

/** Undefined is no value of JSON. */
function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
