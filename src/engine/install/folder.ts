// Where does an installed engine lie? One folder of its own in the user's cache.
import { join } from 'node:path';
import { cacheFolder } from '../../files/cacheFolder.js';

/** Engines that `exithead engine install` makes; the others come with exithead. */
export const installKinds = ['native', 'cuda'] as const;
export type InstallKind = (typeof installKinds)[number];

/** The folder of an engine, whether it is there or not. */
export function engineFolder(kind: InstallKind): string {
  return join(cacheFolder(), 'engines', kind);
}

/** The compiled addon. */
export function addonIn(folder: string): string {
  return join(folder, 'build', 'Release', 'tfjs_binding.node');
}
