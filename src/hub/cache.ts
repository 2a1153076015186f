// Where does the hub's cache keep a file? In the layout of its Python client, so that both find what the other fetched.
import { link, mkdir, readdir, readFile, rm, stat, symlink } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { isCode, makeFolder, writing } from '../files/disk.js';
import { writeFileAtomic } from '../files/write.js';
import { isCommit, isSafeName, type HubAddress } from './address.js';

/** Paths of one repository: models--owner--name/{blobs,refs,snapshots}. */
export interface RepositoryCache {
  /** Content of a file, under its checksum. */
  blob(checksum: string): string;
  /** What is fetched of it so far. */
  partial(checksum: string): string;
  /** Who fetches it now. */
  lock(checksum: string): string;
  /** A file or folder as it is in a commit: links to blobs. */
  snapshot(commit: string, path: string): string;
  ref(revision: string): string;
}

export function repositoryCache(
  cache: string,
  { repository }: Pick<HubAddress, 'repository'>,
): RepositoryCache {
  const name = `models--${repository.replace('/', '--')}`;
  const at = (...names: string[]): string => join(cache, name, ...names);
  return {
    blob: (checksum) => at('blobs', checksum),
    // Its own name: older Python clients append to <checksum>.incomplete. `hf cache prune` knows the ending.
    partial: (checksum) => at('blobs', `${checksum}.exithead.incomplete`),
    lock: (checksum) => join(cache, '.locks', name, `${checksum}.exithead`),
    snapshot: (commit, path) => at('snapshots', commit, ...path.split('/')),
    ref: (revision) => at('refs', ...revision.split('/')),
  };
}

/** The commit that a branch or tag was when it was last asked for. */
export async function cachedCommit(cache: RepositoryCache, revision: string): Promise<string | undefined> {
  if (isCommit(revision)) return revision;
  const text = await readFile(cache.ref(revision), 'utf8').catch(() => '');
  return isCommit(text.trim()) ? text.trim() : undefined;
}

/** Remembers the commit of a branch or tag. */
export async function rememberCommit(
  cache: RepositoryCache,
  revision: string,
  commit: string,
): Promise<void> {
  if (isCommit(revision) || (await cachedCommit(cache, revision)) === commit) return;
  await makeFolder(dirname(cache.ref(revision)));
  // Its client takes the file as it is: no line break.
  await writeFileAtomic(cache.ref(revision), commit);
}

/** Names in a folder of a commit that are cached; undefined if it is no folder there. */
export async function cachedNames(path: string): Promise<readonly string[] | undefined> {
  const names = await readdir(path).catch(() => undefined);
  return names?.filter(isSafeName);
}

/** Gives a blob its name in a commit. Two processes may do so at once. */
export async function placeInSnapshot(blob: string, path: string): Promise<void> {
  await writing(path, async () => {
    await mkdir(dirname(path), { recursive: true });
    if ((await sizeOf(path)) === (await sizeOf(blob))) return;
    // A link to a blob that is gone, or a file that broke.
    await rm(path, { force: true });
    try {
      await symlink(relative(dirname(path), blob), path);
    } catch (error) {
      if (isCode(error, 'EEXIST')) return;
      // Where links need a privilege (Windows), a second name of the same file takes no room either.
      if (!isCode(error, 'EPERM')) throw error;
      await link(blob, path);
    }
  });
}

/** Size in bytes; undefined if there is no file. */
export async function sizeOf(path: string): Promise<number | undefined> {
  const entry = await stat(path).catch(() => undefined);
  return entry?.isFile() === true ? entry.size : undefined;
}
