// Which low-rank additions lie in a file, and to which backbone were they added? Safetensors that say so in their metadata.
import { openSafetensors, writeSafetensors } from '../checkpoints/safetensors.js';
import type { HostTensors, StoredTensor } from '../engine/tensors.js';
import { UserError } from '../errors.js';
import type { LoraOptions } from './lora.js';

const format = 'exithead-lora';
const version = '1';

/** @param trained factors, and tables of labels where those move @param backbone fingerprint of what they are added to */
export function writeLora(
  path: string,
  { rank, alpha }: LoraOptions,
  trained: HostTensors,
  backbone: string,
): Promise<void> {
  return writeSafetensors(path, trained, {
    metadata: { format, version, backbone, rank: String(rank), alpha: String(alpha) },
  });
}

/** Whether the metadata of a file says that it holds low-rank additions. */
export function isLoraFile(metadata: Readonly<Record<string, string>>): boolean {
  return metadata['format'] === format;
}

export interface LoraDescription extends LoraOptions {
  /** Fingerprint of the backbone that they are added to. */
  readonly backbone: string;
  readonly tensors: Readonly<Record<string, StoredTensor>>;
}

/** @throws UserError if the file does not say what it holds */
export async function describeLora(path: string): Promise<LoraDescription> {
  const { tensors, metadata } = await openSafetensors(path);
  const [rank, alpha] = [Number(metadata['rank']), Number(metadata['alpha'])];
  const isSound = Number.isInteger(rank) && rank > 0 && Number.isFinite(alpha);
  if (!isLoraFile(metadata) || metadata['version'] !== version || !isSound)
    throw new UserError(
      `${path} holds no low-rank additions of version ${version}: its metadata is ${JSON.stringify(metadata).slice(0, 300)}. ` +
        'Give the lora.safetensors of a run in mode lora.',
    );
  return { rank, alpha, backbone: metadata['backbone'] ?? 'none', tensors };
}
