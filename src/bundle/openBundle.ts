// Which model does a bundle describe? Its heads on the backbone that it was made for.
import { openBackbone, type BackboneSource, type OpenedBackbone } from '../checkpoints/backbone.js';
import { fingerprintOf } from '../checkpoints/fingerprint.js';
import { readTensors } from '../checkpoints/stored.js';
import { messageOf, UserError } from '../errors.js';
import { requireSameBackbone } from '../exits/headsFile.js';
import type { StoredModel } from '../exits/model.js';
import { readBundle, type Bundle } from './bundle.js';
import { placeOf } from './place.js';

export interface OpenedBundle {
  readonly bundle: Bundle;
  readonly model: StoredModel;
}

/**
 * Opens a bundle and its backbone. What the backbone is, the bundle says, so its weights may stand alone.
 * @param backbone where the backbone is; unless given, where the bundle says, seen from the bundle's folder
 * @throws UserError if the backbone is not there, or another one, or the heads are not those of the schedule
 */
export async function openBundle(path: string, backbone?: BackboneSource): Promise<OpenedBundle> {
  const bundle = await readBundle(path);
  const { spec, labels, fingerprint } = bundle.backbone;
  const source = backbone ?? { path: placeOf(path, bundle.backbone.source), weights: 'auto' as const };
  const opened = await openMeant({ ...source, labels, spec }, fingerprint).catch((error: unknown) => {
    if (backbone !== undefined || !(error instanceof UserError)) throw error;
    throw new UserError(
      `${path} names its backbone as ${bundle.backbone.source}, which cannot be opened: ${messageOf(error)} ` +
        'Give its place with --backbone.',
    );
  });
  requireSameBackbone(fingerprint, opened.fingerprint, path);
  await requireOwnHeads(path, bundle);
  // A runtime maps weights from one folder alone, that of the backbone.
  const heads = await readTensors(bundle.heads);
  return { bundle, model: { spec, backbone: opened.weights, plans: bundle.plans, heads } };
}

/** A .pt file may hold two sets of weights; the fingerprint tells which one is meant. */
async function openMeant(source: BackboneSource, fingerprint: string): Promise<OpenedBackbone> {
  const first = await openBackbone(source);
  if (first.fingerprint === fingerprint) return first;
  const second = await openBackbone({ ...source, weights: 'model' }).catch((error: unknown) => {
    if (error instanceof UserError) return undefined;
    throw error;
  });
  return second?.fingerprint === fingerprint ? second : first;
}

async function requireOwnHeads(path: string, { heads, schedule }: Bundle): Promise<void> {
  const found = await fingerprintOf(heads);
  if (found === schedule.heads) return;
  throw new UserError(
    `${path}: its heads have fingerprint ${found}, but its schedule was solved for heads with ${schedule.heads}. ` +
      'Export it again.',
  );
}
