// What is in a file of tensors? Names and metadata say what they are for.
import type { BackboneSource } from '../checkpoints/backbone.js';
import { openSafetensors } from '../checkpoints/safetensors.js';
import { indexEnding, openShards } from '../checkpoints/shards.js';
import { openAllTorch } from '../checkpoints/torch.js';
import { isHeadsFile } from '../exits/headsFile.js';
import { isUncertaintyFile } from '../exits/uncertaintyFile.js';
import { isCheckpointFile } from '../training/checkpoints.js';
import { isLoraFile } from '../training/loraFile.js';
import { backboneFacts, type BackboneFacts, type UnfitBackboneFacts } from './backbone.js';
import { checkpointFacts, type CheckpointFacts } from './checkpoint.js';
import {
  areHeadNames,
  bundleHeadsFacts,
  headsFacts,
  type BundleHeadsFacts,
  type HeadsFacts,
} from './heads.js';
import { loraFacts, type LoraFacts } from './lora.js';
import { areBackboneNames, areVaeNames } from './modelNames.js';
import { tensorsFacts, type OpenedTensors, type TensorsFacts } from './tensors.js';
import { uncertaintyFacts, type UncertaintyFacts } from './uncertainty.js';
import { vaeFacts, type VaeFacts } from './vae.js';

export type WeightsFacts =
  | BackboneFacts
  | UnfitBackboneFacts
  | BundleHeadsFacts
  | CheckpointFacts
  | HeadsFacts
  | LoraFacts
  | TensorsFacts
  | UncertaintyFacts
  | VaeFacts;

/** How to read what lies there. */
export interface Reading {
  /** How to open it as a backbone; its path may be the folder of the file. */
  readonly source: BackboneSource;
  /** Whether the user says that it is one. */
  readonly isBackbone: boolean;
  /** Of heads: where their backbone is. */
  readonly backbone: string | undefined;
}

/** @param file a .safetensors file, or the index of several */
export async function safetensorsFacts(file: string, reading: Reading): Promise<WeightsFacts> {
  const opened = file.endsWith(indexEnding) ? await openShards(file) : await openSafetensors(file);
  if (isHeadsFile(opened.metadata)) return headsFacts(file, reading.backbone);
  if (isUncertaintyFile(opened.metadata)) return uncertaintyFacts(file, reading.backbone);
  if (isLoraFile(opened.metadata)) return loraFacts(file, reading.backbone);
  if (isCheckpointFile(opened.metadata)) return checkpointFacts(file);
  const names = opened.entries.map(({ name }) => name);
  return areHeadNames(names) ? bundleHeadsFacts(file) : modelFacts(file, 'safetensors', opened, reading);
}

export async function torchFacts(file: string, reading: Reading): Promise<WeightsFacts> {
  return modelFacts(file, 'torch', { ...(await openAllTorch(file)), metadata: {} }, reading);
}

function modelFacts(
  file: string,
  format: TensorsFacts['format'],
  opened: OpenedTensors,
  { source, isBackbone }: Reading,
): Promise<WeightsFacts> {
  const names = opened.entries.map(({ name }) => name);
  if (isBackbone || areBackboneNames(names)) return backboneFacts(source);
  if (areVaeNames(names)) return vaeFacts(source.path);
  return tensorsFacts(file, format, 'its names are those of no model that exithead knows', opened);
}
