// Which model does a bundle describe? Its heads on the backbone that it was made for.
import { resolve } from 'node:path';
import { openBackbone, type BackboneSource } from '../checkpoints/backbone.js';
import { readTensors } from '../checkpoints/stored.js';
import { messageOf, UserError } from '../errors.js';
import { requireSameBackbone } from '../exits/headsFile.js';
import type { Model } from '../exits/model.js';
import { readBundle, type Bundle } from './bundle.js';

export interface OpenedBundle {
  readonly bundle: Bundle;
  readonly model: Model;
}

/**
 * Opens a bundle and its backbone.
 * @param backbone where the backbone is; unless given, where the bundle says, seen from the bundle's folder
 * @throws UserError if the backbone is not there, or another one
 */
export async function openBundle(path: string, backbone?: BackboneSource): Promise<OpenedBundle> {
  const bundle = await readBundle(path);
  const { spec, fingerprint } = bundle.backbone;
  const source = backbone ?? { path: resolve(path, bundle.backbone.source), weights: 'auto' as const };
  const opened = await openBackbone(source).catch((error: unknown) => {
    if (backbone !== undefined || !(error instanceof UserError)) throw error;
    throw new UserError(
      `${path} names its backbone as ${bundle.backbone.source}, which cannot be opened: ${messageOf(error)} ` +
        'Give its place with --backbone.',
    );
  });
  requireSameBackbone(fingerprint, opened.fingerprint, path);
  // A runtime maps weights from one folder alone, that of the backbone.
  const heads = await readTensors(bundle.heads);
  return { bundle, model: { spec, backbone: opened.weights, plans: bundle.plans, heads } };
}
