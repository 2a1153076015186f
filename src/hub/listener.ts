// Who hears of a download? Whoever started the work that needs it, however deep below the need arises.
import { AsyncLocalStorage } from 'node:async_hooks';
import type { Progress } from '../training/progress.js';

export interface DownloadListener {
  /** Stops a download when it aborts. */
  readonly signal: AbortSignal;
  /** How far it is; called once for each file, in megabytes. */
  readonly progress: (label: string) => Progress;
  readonly say: (line: string) => void;
  readonly warn: (line: string) => void;
}

const silent: DownloadListener = {
  signal: new AbortController().signal,
  progress: () => ({ update: () => undefined, end: () => undefined }),
  say: () => undefined,
  warn: () => undefined,
};

const listeners = new AsyncLocalStorage<DownloadListener>();

/** Runs work whose downloads this listener hears of. Where nobody listens, they are silent. */
export function hearingDownloads<T>(listener: DownloadListener, work: () => Promise<T>): Promise<T> {
  return listeners.run(listener, work);
}

export function downloadListener(): DownloadListener {
  return listeners.getStore() ?? silent;
}
