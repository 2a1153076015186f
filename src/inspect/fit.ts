// Does a file belong to what lies beside it? Fingerprints tell.
import { dirname, join } from 'node:path';
import { readJsonFile } from '../files/jsonFile.js';
import { bundleFormat } from '../bundle/description.js';
import { openBackbone } from '../checkpoints/backbone.js';
import { fingerprintOf } from '../checkpoints/fingerprint.js';
import { openSafetensors } from '../checkpoints/safetensors.js';
import { loadConfig } from '../config/load.js';
import { isFile } from '../files/disk.js';
import type { OpenedBackbone } from '../checkpoints/backbone.js';
import { openBackboneOf } from '../training/openTrained.js';

/** A fingerprint that a file names, and that of what it was held against. */
export interface Fit {
  readonly what: 'backbone' | 'heads';
  /** Where that lies. */
  readonly place: string;
  readonly expected: string;
  readonly found: string;
}

/** The backbone to hold a file against: the one that is given, or else that of the run the file lies in. */
export async function backboneFor(
  path: string,
  given: string | undefined,
): Promise<OpenedBackbone | undefined> {
  if (given !== undefined) return openBackbone({ path: given, weights: 'auto' });
  const config = join(dirname(path), 'config.yaml');
  if (!(await isFile(config))) return undefined;
  return openBackboneOf(dirname(path), (await loadConfig(config, { kind: 'train' })).config);
}

/** Holds the fingerprints that a schedule or an error table names against what lies beside it. */
export async function fitsOf(
  path: string,
  names: { readonly backbone: string; readonly heads: string },
  given: string | undefined,
): Promise<readonly Fit[]> {
  const heads = join(dirname(path), 'heads.safetensors');
  const beside = (await isFile(heads))
    ? await fingerprintOf((await openSafetensors(heads)).tensors)
    : undefined;
  const backbone = await backboneFingerprint(path, given);
  return [
    ...(backbone === undefined ? [] : [{ what: 'backbone' as const, expected: names.backbone, ...backbone }]),
    ...(beside === undefined
      ? []
      : [{ what: 'heads' as const, place: heads, expected: names.heads, found: beside }]),
  ];
}

async function backboneFingerprint(
  path: string,
  given: string | undefined,
): Promise<Pick<Fit, 'place' | 'found'> | undefined> {
  const opened = await backboneFor(path, given);
  if (opened) return { place: opened.source, found: opened.fingerprint };
  const bundle = join(dirname(path), 'bundle.json');
  if (!(await isFile(bundle))) return undefined;
  const { backbone } = await readJsonFile(bundle, bundleFormat);
  return { place: bundle, found: backbone.fingerprint };
}

/** What does not fit, in words. */
export function fitProblems(path: string, fits: readonly Fit[]): string[] {
  return fits.flatMap(({ what, place, expected, found }) =>
    expected === found
      ? []
      : [
          `${path} was made for ${what === 'heads' ? 'heads' : 'the backbone'} with fingerprint ${expected}, but ${place} has ${found}. ` +
            'Give what it was made for, or profile and solve again.',
        ],
  );
}
