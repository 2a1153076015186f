// What does hf://owner/name[@revision][/file-or-folder] name? A place in a repository of models on the Hugging Face hub.
import { UserError } from '../errors.js';

export interface HubAddress {
  /** owner/name. */
  readonly repository: string;
  /** Branch, tag or commit. */
  readonly revision: string;
  /** File or folder inside, its parts joined by slashes; empty for the root. */
  readonly path: string;
}

const scheme = 'hf://';
const form = 'hf://owner/name[@revision][/file-or-folder]';
/** A name that is safe as part of a path and of a URL. */
const repositoryPart = /^\w(?:[\w.-]{0,94}\w)?$/;
const commitPattern = /^[0-9a-f]{40}$/;

export function isHubAddress(path: string): boolean {
  return path.startsWith(scheme);
}

/** Whether a revision is a commit, which never changes. */
export function isCommit(revision: string): boolean {
  return commitPattern.test(revision);
}

/**
 * A revision with a slash is written with %2F; pull requests are known as refs/pr/1, too. Without one it is `main`.
 * @throws UserError if it is no such address, or leads out of the repository
 */
export function parseHubAddress(text: string): HubAddress {
  const [owner = '', ...rest] = text.slice(scheme.length).split('/');
  if (['models', 'datasets', 'spaces', 'buckets', 'kernels'].includes(owner))
    throw refused(
      text,
      `it names something among ${owner}, and a repository of models is named without that`,
    );
  const [, name = '', typed, path = ''] =
    /^([^/@]*)(?:@(refs\/[^/]+\/[^/]+|[^/]*))?(?:\/(.*))?$/s.exec(rest.join('/')) ?? [];
  for (const part of [owner, name])
    if (!repositoryPart.test(part) || /--|\.\./.test(part))
      throw refused(text, `${JSON.stringify(`${owner}/${name}`)} is no owner/name of a repository`);
  const revision = typed === undefined ? 'main' : decoded(typed);
  if (revision === undefined || !isSafeRevision(revision))
    throw refused(text, `${JSON.stringify(typed)} is no branch, tag or commit`);
  const inner = path.replace(/\/$/, '');
  if (inner !== '' && !inner.split('/').every(isSafeName))
    throw refused(text, `${JSON.stringify(inner)} is no path inside a repository`);
  return { repository: `${owner}/${name}`, revision, path: inner };
}

/** The text that `parseHubAddress` reads. */
export function hubAddress({ repository, revision, path }: HubAddress): string {
  return `${scheme}${repository}@${encodeURIComponent(revision)}${path === '' ? '' : `/${path}`}`;
}

/** Whether a name of a file or folder leads nowhere else, on any platform. */
export function isSafeName(name: string): boolean {
  return name !== '' && !/^\.{1,2}$/.test(name) && !/[\\/:\p{Cc}]/u.test(name) && name.length <= 255;
}

function isSafeRevision(revision: string): boolean {
  const parts = revision.split('/');
  return revision.length <= 250 && parts.every((part) => isSafeName(part) && !/^[.-]|[\s?*[~^]/.test(part));
}

function decoded(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
}

function refused(text: string, why: string): UserError {
  return new UserError(
    `${text} is no address on the hub: ${why}. Expected ${form}, such as hf://facebook/DiT-XL-2-256/transformer.`,
  );
}
