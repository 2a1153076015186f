// What does a repository on the hub hold? Which commit a revision is, and which files a folder has.
import { z } from 'zod';
import { nearest } from '../nearest.js';
import { UserError } from '../errors.js';
import { hubAddress, isCommit, isSafeName, type HubAddress } from './address.js';
import type { Checksum } from './checksum.js';
import { HubRefusal, type Requests } from './requests.js';
import type { HubSettings } from './settings.js';

export type HubEntry = HubFile | { readonly kind: 'folder'; readonly name: string };

export interface HubFile {
  readonly kind: 'file';
  readonly name: string;
  /** From the root of the repository. */
  readonly path: string;
  readonly bytes: number;
  readonly checksum: Checksum;
}

const mostEntries = 20_000;
const mostPages = 50;

const entrySchema = z.object({
  type: z.enum(['file', 'directory']),
  path: z.string(),
  size: z.int().min(0),
  oid: z.string().regex(/^[0-9a-f]{40}$/),
  lfs: z.object({ oid: z.string().regex(/^[0-9a-f]{64}$/), size: z.int().min(0) }).optional(),
});

export interface HubClient {
  /** The commit of a revision now. @throws UserError if there is none, or the hub gives it to others alone */
  commitOf(address: HubAddress): Promise<string>;
  /**
   * What lies in a folder, not below it.
   * @param address of the folder, its revision a commit
   * @returns undefined if there is no such folder
   */
  list(address: HubAddress): Promise<readonly HubEntry[] | undefined>;
  /** Where a file is fetched. @param address its revision a commit */
  fileUrl(address: HubAddress): string;
}

/** Asks the client of the hub, which is loaded then. */
export function hubClient(settings: HubSettings, requests: Requests): HubClient {
  const { endpoint: hubUrl } = settings;
  return {
    async commitOf(address) {
      const { modelInfo } = await import('@huggingface/hub');
      const info = await asked(address, settings, () =>
        modelInfo({
          name: address.repository,
          revision: address.revision,
          additionalFields: ['sha'],
          ...{ hubUrl, fetch: requests.fetch },
        }),
      );
      const { sha } = z.object({ sha: z.string() }).safeParse(info).data ?? { sha: '' };
      if (!isCommit(sha)) throw unsound(settings, 'it names no commit');
      return sha;
    },

    async list(address) {
      const { listFiles } = await import('@huggingface/hub');
      const found: HubEntry[] = [];
      let [seen, pages] = [0, 0];
      const page: typeof fetch = (input, init) => {
        if (++pages > mostPages)
          throw unsound(settings, `a list of more than ${mostPages} pages is not read`);
        return requests.fetch(input, init);
      };
      const all = async (): Promise<readonly HubEntry[]> => {
        const entries = listFiles({
          repo: { type: 'model', name: address.repository },
          revision: address.revision,
          path: inUrl(address.path),
          ...{ hubUrl, fetch: page },
        });
        for await (const entry of entries) {
          if (++seen > mostEntries)
            throw unsound(settings, `a folder of more than ${mostEntries} entries is not read`);
          const checked = checkedEntry(entry, address.path);
          if (checked) found.push(checked);
        }
        return found;
      };
      return asked(address, settings, () =>
        all().catch((error: unknown) => {
          if (error instanceof HubRefusal && error.code === 'EntryNotFound') return undefined;
          throw error;
        }),
      );
    },

    fileUrl: ({ repository, revision, path }) => `${hubUrl}/${repository}/resolve/${revision}/${inUrl(path)}`,
  };
}

/** What to say of a path that is not there. @param entries what is there instead */
export function noSuchPath(address: HubAddress, entries: readonly HubEntry[]): UserError {
  const [wanted = ''] = address.path.split('/').slice(-1);
  const parent = address.path.split('/').slice(0, -1).join('/');
  const names = entries.map(({ name }) => name);
  const near = nearest(wanted, names);
  const at = (name: string): string =>
    hubAddress({ ...address, path: parent === '' ? name : `${parent}/${name}` });
  const shown = names.slice(0, 12).join(', ');
  return new UserError(
    `${hubAddress(address)} is not there${near === undefined ? '' : `; did you mean ${at(near)}?`}\n` +
      `${parent === '' ? address.repository : parent} holds ${shown === '' ? 'nothing' : shown}` +
      `${names.length > 12 ? ` and ${names.length - 12} more` : ''}.`,
  );
}

/** Entries of a kind or name that is never asked for are left out; they may be hostile. */
function checkedEntry(entry: unknown, folder: string): HubEntry | undefined {
  const { success, data } = entrySchema.safeParse(entry);
  if (!success) return undefined;
  const prefix = folder === '' ? '' : `${folder}/`;
  const name = data.path.slice(prefix.length);
  if (!data.path.startsWith(prefix) || !isSafeName(name)) return undefined;
  if (data.type === 'directory') return { kind: 'folder', name };
  const { path, size, oid, lfs } = data;
  return lfs
    ? { kind: 'file', name, path, bytes: lfs.size, checksum: { kind: 'sha256', hex: lfs.oid } }
    : { kind: 'file', name, path, bytes: size, checksum: { kind: 'git', hex: oid } };
}

function inUrl(path: string): string {
  return path.split('/').map(encodeURIComponent).join('/');
}

async function asked<T>(address: HubAddress, settings: HubSettings, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (isFormError(error)) throw unsound(settings, 'what it answers has another form');
    if (error instanceof HubRefusal) throw inWords(error, address, settings);
    throw error;
  }
}

/** What the client throws where an answer has another form. By name: the parser of answers may be of another realm. */
function isFormError(error: unknown): boolean {
  return z.object({ name: z.enum(['SyntaxError', 'TypeError']) }).safeParse(error).success;
}

function unsound({ endpoint }: HubSettings, what: string): UserError {
  return new UserError(
    `${endpoint} does not answer as the hub does: ${what}. Check HF_ENDPOINT and your proxy.`,
  );
}

/** What a refusal means, and what to do. */
export function inWords(
  refusal: HubRefusal,
  { repository, revision }: HubAddress,
  { endpoint, token }: HubSettings,
): UserError {
  const { status, code, said } = refusal;
  const page = `${endpoint}/${repository}`;
  const withToken = token
    ? `The token in ${token.from} was sent`
    : 'No token was sent: set HF_TOKEN, or log in with `hf auth login`';
  if (code === 'GatedRepo')
    return new UserError(
      `${repository} is gated: its owner gives it to those who accept its terms at ${page}. ${withToken}; ` +
        'it must belong to an account that did.',
    );
  if (code === 'RevisionNotFound')
    return new UserError(
      `${repository} has no revision ${revision}. Give a branch, a tag or a commit; ${page}/tree/main shows them.`,
    );
  if (status === 401 && token)
    return new UserError(
      `${endpoint} does not accept the token in ${token.from}, or there is no repository ${repository}` +
        `${said === '' ? '' : ` (it says: ${said})`}. Check the name; tokens are made at ${endpoint}/settings/tokens.`,
    );
  if (status === 401 || code === 'RepoNotFound' || (status === 404 && code === ''))
    return new UserError(
      `there is no repository ${repository} at ${endpoint}, or you may not see it. Check the name; if it is private, ` +
        `a token is needed. ${withToken}.`,
    );
  if (status === 403)
    return new UserError(
      `${repository} is not given to you${said === '' ? '' : ` (the hub says: ${said})`}. ${withToken}; ` +
        `look at ${page} whether it may read this repository.`,
    );
  return new UserError(
    `${endpoint} refuses ${repository}: ${status}${code === '' ? '' : ` ${code}`}${said === '' ? '' : ` (${said})`}. ` +
      `Look at ${page}.`,
  );
}
