// What does the text beside each image say? cat.jpg is described by cat.txt, in one line.
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { abreast } from '../data/abreast.js';
import type { ImageEntry } from '../data/imageFolder.js';
import { messageOf, UserError } from '../errors.js';

/** Files open at the same time. */
const mostOpen = 16;
const mostBytes = 64 * 2 ** 10;

/**
 * The caption of every image; line ends and repeated spaces count as one space.
 * @throws UserError if an image has none
 */
export async function captionsBeside(folder: string, entries: readonly ImageEntry[]): Promise<string[]> {
  const captions = new Array<string>(entries.length).fill('');
  await abreast(entries.length, mostOpen, async (i) => {
    const file = entries[i]?.file ?? '';
    const path = join(folder, file.replace(/\.[^./]+$/, '.txt'));
    const text = (await textOf(path)).replace(/\s+/g, ' ').trim();
    if (text === '') throw new UserError(`${path}: is empty, expected the caption of ${file}.`);
    captions[i] = text;
  });
  return captions;
}

async function textOf(path: string): Promise<string> {
  try {
    const entry = await stat(path);
    if (!entry.isFile()) throw new Error('it is not a file');
    if (entry.size > mostBytes) throw new Error(`it has ${entry.size} bytes, at most ${mostBytes} are read`);
    return await readFile(path, 'utf8');
  } catch (error) {
    throw new UserError(
      `${path}: cannot be read (${messageOf(error)}), expected the caption of the image beside it. Write it, or leave --captions out.`,
    );
  }
}
