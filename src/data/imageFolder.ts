// Which images lie in a folder, and what are their labels? One folder a class, or all in one; nothing is decoded.
import { readdir, readFile, realpath, stat } from 'node:fs/promises';
import { extname, join } from 'node:path';
import { messageOf, UserError } from '../errors.js';

/** What file names of images end with; other files are left alone. */
const endings = new Set(
  ['jpg', 'jpeg', 'jpe', 'jfif', 'png', 'webp', 'gif', 'tif', 'tiff', 'avif'].map((name) => `.${name}`),
);
const mostNamesBytes = 16 * 2 ** 20;

export interface ImageEntry {
  /** Path from the folder on, with /. */
  readonly file: string;
  readonly label: number;
}

export interface ImageFolder {
  readonly path: string;
  /** Sorted by path. */
  readonly entries: readonly ImageEntry[];
  /** Name of each label; absent where all images lie in one folder and have label 0. */
  readonly classNames?: readonly string[];
  /** Number of files that are no images by their names. */
  readonly ignored: number;
}

/**
 * Lists a folder, and all folders in it. Names that begin with a dot are left alone.
 * @param classNames folders that may be there, in the order of their labels; unless given, those that are there, sorted
 * @throws UserError if there are no images, or it is not clear which class one has
 */
export async function listImages(path: string, classNames?: readonly string[]): Promise<ImageFolder> {
  const top = await entriesOf(path);
  const loose = top.files.filter(isImage);
  let ignored = top.files.length - loose.length;
  if (top.folders.length === 0 && classNames === undefined) {
    if (loose.length === 0) throw noImages(path, ignored);
    return { path, ignored, entries: loose.map((file) => ({ file, label: 0 })) };
  }
  if (loose.length > 0)
    throw new UserError(
      `${path}: has ${loose.length} images beside its folders, such as ${loose[0]}, so their class is not clear. Move them ` +
        'into the folder of their class, or put all images into one folder without others.',
    );
  const names = classNames ?? top.folders;
  const labels = new Map(names.map((name, label) => [name, label]));
  const entries: ImageEntry[] = [];
  for (const name of top.folders) {
    const label = labels.get(name);
    if (label === undefined)
      throw new UserError(
        `${join(path, name)}: ${JSON.stringify(name)} is none of the ${names.length} classes. Move it away, or give it a label.`,
      );
    const files = await filesBelow(path, name, []);
    const images = files.filter(isImage);
    if (images.length === 0 && classNames === undefined)
      throw new UserError(
        `${join(path, name)}: holds no images, so it is not clear whether it is a class. Move it away, or name the classes.`,
      );
    ignored += files.length - images.length;
    for (const file of images) entries.push({ file, label });
  }
  if (entries.length === 0) throw noImages(path, ignored);
  return { path, entries: entries.toSorted((a, b) => byName(a.file, b.file)), classNames: names, ignored };
}

/** Class names, one a line. @throws UserError if they cannot be read, or one comes twice */
export async function readClassNames(path: string): Promise<string[]> {
  const text = await textOf(path);
  const names = text.split(/\r?\n/).map((line) => line.trim());
  while (names.at(-1) === '') names.pop();
  const empty = names.indexOf('');
  if (names.length === 0 || empty >= 0)
    throw new UserError(`${path}: line ${empty + 1} is empty, expected the name of a class folder in each.`);
  const twice = names.find((name, i) => names.indexOf(name) < i);
  if (twice !== undefined) throw new UserError(`${path}: names ${JSON.stringify(twice)} twice.`);
  return names;
}

async function textOf(path: string): Promise<string> {
  try {
    const entry = await stat(path);
    if (!entry.isFile() || entry.size > mostNamesBytes) throw new Error('it is no file, or a very large one');
    return await readFile(path, 'utf8');
  } catch (error) {
    throw new UserError(
      `${path}: cannot be read (${messageOf(error)}), expected a text with the name of one class folder a line.`,
    );
  }
}

interface Level {
  readonly files: readonly string[];
  readonly folders: readonly string[];
}

/** Names in one folder, sorted, with links followed. */
async function entriesOf(path: string): Promise<Level> {
  const files: string[] = [];
  const folders: string[] = [];
  for (const entry of await namesIn(path)) {
    if (entry.name.startsWith('.')) continue;
    // A link that leads nowhere is no image.
    const kind = entry.isSymbolicLink() ? await stat(join(path, entry.name)).catch(() => entry) : entry;
    if (kind.isDirectory()) folders.push(entry.name);
    else files.push(entry.name);
  }
  return { files: files.toSorted(byName), folders: folders.toSorted(byName) };
}

async function namesIn(path: string): ReturnType<typeof listed> {
  try {
    return await listed(path);
  } catch (error) {
    throw new UserError(`${path}: cannot be listed (${messageOf(error)}). Give a folder of images.`);
  }
}

function listed(path: string) {
  return readdir(path, { withFileTypes: true });
}

/** Files below `inner`, a path from `root` on. @param above real paths of the folders around it */
async function filesBelow(root: string, inner: string, above: readonly string[]): Promise<string[]> {
  const path = join(root, inner);
  const real = await realpath(path);
  if (above.includes(real))
    throw new UserError(`${path}: leads back to ${real}, around it. Take the link away.`);
  const { files, folders } = await entriesOf(path);
  const found = files.map((name) => `${inner}/${name}`);
  for (const name of folders) found.push(...(await filesBelow(root, `${inner}/${name}`, [...above, real])));
  return found;
}

function isImage(name: string): boolean {
  return endings.has(extname(name).toLowerCase());
}

/** The same order on every machine, whatever its language. */
function byName(a: string, b: string): number {
  return a < b ? -1 : Number(a > b);
}

function noImages(path: string, others: number): UserError {
  return new UserError(
    `${path}: holds no images${others > 0 ? `, but ${others} other files` : ''}; expected files ending with ` +
      `${[...endings].join(', ')}, in the folder itself or in one folder a class.`,
  );
}
