// Which path on this machine holds what a source names? Of hf:// sources, what is needed is fetched first.
import { basename } from 'node:path';
import { unreachable, UserError } from '../errors.js';
import { isFile } from '../files/disk.js';
import { megabytes } from '../files/room.js';
import { hubAddress, isCommit, isHubAddress, parseHubAddress, type HubAddress } from './address.js';
import {
  cachedCommit,
  cachedNames,
  placeInSnapshot,
  rememberCommit,
  repositoryCache,
  sizeOf,
  type RepositoryCache,
} from './cache.js';
import { hubClient, inWords, noSuchPath, type HubClient, type HubEntry, type HubFile } from './client.js';
import { download } from './download.js';
import { downloadListener, type DownloadListener } from './listener.js';
import { HubRefusal, HubUnreachable, requests, type Requests } from './requests.js';
import { hubSettings, type HubSettings } from './settings.js';

/** What is needed of a folder, or beside a file. */
export interface Wanted {
  /** Folder that such a model has in a pipeline of diffusers. */
  readonly part: string;
  /** Names of weights, in the order in which a folder is searched; the first one that is there is fetched. */
  readonly weights: readonly string[];
  /** Small files that are fetched where they are there. */
  readonly beside: readonly string[];
  /** Files beside the weights that belong to them, as the shards of an index. @param path of the weights */
  readonly partsOf: (path: string) => Promise<readonly string[]>;
}

export interface Located {
  readonly path: string;
  /** The source with its revision pinned to a commit, so that it means the same for ever; a path stays as it is. */
  readonly source: string;
}

const mostSmallBytes = 16 * 2 ** 20;

/**
 * @param source a path, which is given back, or `hf://owner/name[@revision][/file-or-folder]`
 * @throws UserError if there is no such thing, it is not given to this user, or it cannot be fetched
 * @throws Interrupted if the download is stopped
 */
export async function located(source: string, wanted: Wanted): Promise<Located> {
  if (!isHubAddress(source)) return { path: source, source };
  const address = parseHubAddress(source);
  const settings = await hubSettings();
  const cache = repositoryCache(settings.cache, address);
  const listener = downloadListener();
  if (settings.offline) return fromCache(address, wanted, { settings, cache }, 'HF_HUB_OFFLINE is set');
  const asking = requests(settings, listener);
  const client = hubClient(settings, asking);
  const hub: Hub = { settings, cache, listener, client, requests: asking };
  const found = await find(address, client).catch(async (error: unknown) => {
    if (!(error instanceof HubUnreachable)) throw error;
    const cached = await fromCache(address, wanted, hub, error.message);
    listener.warn(`${error.message}, so ${cached.source} is taken from the cache`);
    return cached;
  });
  if ('path' in found) return found;
  return fetched(found, wanted, hub);
}

interface Hub {
  readonly settings: HubSettings;
  readonly cache: RepositoryCache;
  readonly listener: DownloadListener;
  readonly client: HubClient;
  readonly requests: Requests;
}

/** What the hub holds at an address. */
interface Found {
  readonly asked: HubAddress;
  /** Its revision is a commit. */
  readonly pinned: HubAddress;
  /** The file that is asked for; undefined for a folder. */
  readonly name: string | undefined;
  /** Of the folder, or the one around the file. */
  readonly entries: readonly HubEntry[];
}

async function find(asked: HubAddress, client: HubClient): Promise<Found> {
  const commit = isCommit(asked.revision) ? asked.revision : await client.commitOf(asked);
  const pinned = { ...asked, revision: commit };
  const above = pinned.path.split('/').slice(0, -1).join('/');
  const around = await client.list({ ...pinned, path: above });
  if (around === undefined) {
    const [first = ''] = pinned.path.split('/');
    throw noSuchPath({ ...pinned, path: first }, (await client.list({ ...pinned, path: '' })) ?? []);
  }
  if (pinned.path === '') return { asked, pinned, name: undefined, entries: around };
  const entry = around.find(({ name }) => name === basename(pinned.path));
  switch (entry?.kind) {
    case undefined:
      throw noSuchPath(pinned, around);
    case 'file':
      return { asked, pinned, name: entry.name, entries: around };
    case 'folder':
      return { asked, pinned, name: undefined, entries: (await client.list(pinned)) ?? [] };
    default:
      return unreachable(entry);
  }
}

async function fetched({ asked, pinned, name, entries }: Found, wanted: Wanted, hub: Hub): Promise<Located> {
  const names = entries.map((entry) => entry.name);
  const weights = fileNamed(entries, name ?? chosen(pinned, names, wanted), pinned);
  const beside = entries.filter(
    (entry): entry is HubFile =>
      entry.kind === 'file' && wanted.beside.includes(entry.name) && entry !== weights,
  );
  for (const file of beside)
    if (file.bytes > mostSmallBytes)
      throw new UserError(
        `${file.path} of ${pinned.repository} has ${file.bytes} bytes, at most ${mostSmallBytes} are read.`,
      );
  await fetchAll([...beside, weights], pinned, hub);
  const path = hub.cache.snapshot(pinned.revision, weights.path);
  const parts = (await wanted.partsOf(path)).map((part) => fileNamed(entries, part, pinned));
  await fetchAll(parts, pinned, hub);
  // A cache that cannot be written to, but holds all, is good enough.
  await rememberCommit(hub.cache, asked.revision, pinned.revision).catch((error: unknown) => {
    if (!(error instanceof UserError)) throw error;
  });
  return at(pinned, hub.cache);
}

function at(pinned: HubAddress, cache: RepositoryCache): Located {
  return { path: cache.snapshot(pinned.revision, pinned.path), source: hubAddress(pinned) };
}

function fileNamed(entries: readonly HubEntry[], name: string, address: HubAddress): HubFile {
  const entry = entries.find((one) => one.name === name);
  if (entry?.kind === 'file') return entry;
  throw new UserError(
    `${hubAddress(address)} has no file ${name}, which its index names. Its owner has to mend that.`,
  );
}

/** Which weights a folder is taken for. @throws UserError saying what to add to the address */
function chosen(address: HubAddress, names: readonly string[], { weights, part }: Wanted): string {
  const name = weights.find((one) => names.includes(one));
  if (name !== undefined) return name;
  const source = hubAddress(address);
  if (names.includes('model_index.json'))
    throw new UserError(
      `${source} is a pipeline of diffusers: add the folder that is meant, ${source}/${part}.`,
    );
  const candidates = names.filter((one) => /\.(safetensors|pt|pth|bin)$/i.test(one));
  if (candidates.length > 0)
    throw new UserError(
      `${source} holds weights under names of their own: ${candidates.slice(0, 12).join(', ')}. ` +
        `Say which, such as ${source}/${candidates[0]}.`,
    );
  const holds = names.length > 0 ? names.slice(0, 12).join(', ') : 'nothing';
  throw new UserError(
    `${source} holds none of ${weights.join(', ')}. It holds ${holds}: add the folder or file that is meant.`,
  );
}

async function fetchAll(files: readonly HubFile[], pinned: HubAddress, hub: Hub): Promise<void> {
  const { cache, listener, settings } = hub;
  const placed = await Promise.all(
    files.map(async (file) => {
      const path = cache.snapshot(pinned.revision, file.path);
      return { file, path, isThere: (await sizeOf(path)) === file.bytes };
    }),
  );
  const missing = placed.filter(({ isThere }) => !isThere);
  const bytes = missing.reduce((sum, { file }) => sum + file.bytes, 0);
  if (bytes > 0) listener.say(`fetching ${megabytes(bytes)} of ${hubAddress(pinned)} into ${settings.cache}`);
  for (const { file, path } of missing) await placeInSnapshot(await blobOf(file, pinned, hub), path);
}

/** @throws UserError for whatever the user can mend */
async function blobOf(file: HubFile, pinned: HubAddress, hub: Hub): Promise<string> {
  const address = { ...pinned, path: file.path };
  try {
    return await download({ file, url: hub.client.fileUrl(address), ...hub });
  } catch (error) {
    if (error instanceof HubUnreachable)
      throw new UserError(
        `${hubAddress(address)} could not be fetched: ${error.message}. Try again; it goes on where it was.`,
      );
    if (error instanceof HubRefusal) throw inWords(error, address, hub.settings);
    throw error;
  }
}

/** @param reason why the hub is not asked */
async function fromCache(
  address: HubAddress,
  wanted: Wanted,
  { settings, cache }: Pick<Hub, 'settings' | 'cache'>,
  reason: string,
): Promise<Located> {
  const commit = await cachedCommit(cache, address.revision);
  const missing = (what: string): UserError =>
    new UserError(
      `${reason}, and the cache (${settings.cache}) holds no ${what}. Fetch it once with a connection, or give a path.`,
    );
  if (commit === undefined) throw missing(hubAddress(address));
  const pinned = { ...address, revision: commit };
  const found = at(pinned, cache);
  const names = await cachedNames(found.path);
  if (names === undefined && !(await isFile(found.path))) throw missing(found.source);
  const weights = names?.length === 0 ? undefined : names && chosen(pinned, names, wanted);
  const file = weights === undefined ? pinned.path : `${pinned.path}/${weights}`.replace(/^\//, '');
  const folder = file.split('/').slice(0, -1);
  for (const part of await wanted.partsOf(cache.snapshot(commit, file))) {
    const path = [...folder, part].join('/');
    if (!(await isFile(cache.snapshot(commit, path)))) throw missing(hubAddress({ ...pinned, path }));
  }
  return found;
}
