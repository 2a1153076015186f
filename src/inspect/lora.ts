// Which low-rank additions lie in a file, and is this the backbone that they are added to?
import { dirname, join } from 'node:path';
import { openBackbone, type OpenedBackbone } from '../checkpoints/backbone.js';
import { loadConfig } from '../config/load.js';
import { countOf } from '../engine/tensors.js';
import { isFile } from '../files/disk.js';
import { describeLora } from '../training/loraFile.js';
import { openFrozen } from '../training/openTrained.js';
import { bytesAt } from './bytes.js';
import { dtypesOf, entriesOf, type DtypeFacts } from './dtypes.js';
import { fitProblems, type Fit } from './fit.js';

export interface LoraFacts {
  readonly kind: 'low-rank additions';
  readonly path: string;
  readonly bytes: number;
  readonly rank: number;
  readonly alpha: number;
  /** Layers of the backbone that get one. */
  readonly layers: number;
  /** Names of what has moved whole: tables of labels. */
  readonly tables: readonly string[];
  readonly parameters: number;
  readonly dtypes: readonly DtypeFacts[];
  /** Fingerprint of the backbone that they are added to. */
  readonly backbone: string;
  readonly fits: readonly Fit[];
  readonly problems: readonly string[];
}

/** @param given where that backbone is; unless given, where the config of the run beside it says */
export async function loraFacts(path: string, given: string | undefined): Promise<LoraFacts> {
  const { rank, alpha, backbone, tensors } = await describeLora(path);
  const names = Object.keys(tensors);
  const opened = await startOf(path, given);
  const fits: Fit[] = opened
    ? [{ what: 'backbone', place: opened.source, expected: backbone, found: opened.fingerprint }]
    : [];
  return {
    kind: 'low-rank additions',
    path,
    bytes: await bytesAt(path),
    ...{
      rank,
      alpha,
      layers: names.filter((name) => name.startsWith('lora.') && name.endsWith('.up')).length,
    },
    tables: names.filter((name) => !name.startsWith('lora.')),
    parameters: countOf(tensors),
    dtypes: dtypesOf(entriesOf(tensors)),
    ...{ backbone, fits, problems: fitProblems(path, fits) },
  };
}

/** The backbone that a run began from, not the one that it made. */
async function startOf(path: string, given: string | undefined): Promise<OpenedBackbone | undefined> {
  if (given !== undefined) return openBackbone({ path: given, weights: 'auto' });
  const config = join(dirname(path), 'config.yaml');
  return (await isFile(config))
    ? openFrozen((await loadConfig(config, { kind: 'train' })).config)
    : undefined;
}
