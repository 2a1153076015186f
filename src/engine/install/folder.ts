// Where does an installed engine lie? One folder of its own in the user's cache.
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';

/** Engines that `exithead engine install` makes; the others come with exithead. */
export const installKinds = ['native', 'cuda'] as const;
export type InstallKind = (typeof installKinds)[number];

export interface CachePlace {
  readonly platform: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly home: string;
}

/** exithead's cache folder: EXITHEAD_CACHE, or where the platform keeps caches. */
export function cacheFolder({ platform, env, home }: CachePlace): string {
  if (env.EXITHEAD_CACHE) return resolve(env.EXITHEAD_CACHE);
  if (platform === 'darwin') return join(home, 'Library', 'Caches', 'exithead');
  if (platform === 'win32') return join(env.LOCALAPPDATA || join(home, 'AppData', 'Local'), 'exithead');
  return join(env.XDG_CACHE_HOME || join(home, '.cache'), 'exithead');
}

/** The folder of an engine, whether it is there or not. */
export function engineFolder(kind: InstallKind, place: CachePlace = thisPlace()): string {
  return join(cacheFolder(place), 'engines', kind);
}

function thisPlace(): CachePlace {
  return { platform: process.platform, env: process.env, home: homedir() };
}

/** The compiled addon. */
export function addonIn(folder: string): string {
  return join(folder, 'build', 'Release', 'tfjs_binding.node');
}
