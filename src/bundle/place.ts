// Where is what a bundle refers to? Seen from its folder, so that both can be moved together.
import { isAbsolute, relative, resolve, sep } from 'node:path';
import { isHubAddress } from '../hub/address.js';

/** A path as seen from a folder; absolute ones and those on the hub stay. */
export function fromFolder(folder: string, path: string): string {
  return isAbsolute(path) || isHubAddress(path)
    ? path
    : relative(resolve(folder), resolve(path)).split(sep).join('/');
}

/** The way back. */
export function placeOf(bundle: string, source: string): string {
  return isHubAddress(source) ? source : resolve(bundle, source);
}
