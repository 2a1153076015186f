// Where is exithead's cache? What lies there is fetched or made again when it is gone.
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';

export interface CachePlace {
  readonly platform: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly home: string;
}

/** exithead's cache folder: EXITHEAD_CACHE, or where the platform keeps caches. */
export function cacheFolder({ platform, env, home }: CachePlace = thisPlace()): string {
  if (env.EXITHEAD_CACHE) return resolve(env.EXITHEAD_CACHE);
  if (platform === 'darwin') return join(home, 'Library', 'Caches', 'exithead');
  if (platform === 'win32') return join(env.LOCALAPPDATA || join(home, 'AppData', 'Local'), 'exithead');
  return join(env.XDG_CACHE_HOME || join(home, '.cache'), 'exithead');
}

function thisPlace(): CachePlace {
  return { platform: process.platform, env: process.env, home: homedir() };
}
