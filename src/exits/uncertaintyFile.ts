// How do uncertainty heads lie in a file? As safetensors that say which backbone and heads they judge.
import { z } from 'zod';
import type { BackboneSpec } from '../backbones/backbone.js';
import { finiteCheck } from '../checkpoints/finite.js';
import { fingerprintOf } from '../checkpoints/fingerprint.js';
import { openSafetensors, writeSafetensors } from '../checkpoints/safetensors.js';
import { readTensors } from '../checkpoints/stored.js';
import { UserError } from '../errors.js';
import type { HostTensors, StoredTensor } from '../engine/tensors.js';
import { uncertaintyShapes, type Uncertainty } from './uncertainty.js';

const format = 'exithead-uncertainty';
const version = '1';

const exits = z.array(z.int().min(1).max(1000)).min(1).max(1000);
const planSchema = z.discriminatedUnion('form', [
  z.strictObject({ form: z.literal('log-excess'), exits, bottleneck: z.int().min(1).max(65536) }),
  z.strictObject({ form: z.literal('deediff'), exits }),
]);

/** Trained uncertainty heads, in memory: they are small beside everything else. */
export interface UncertaintyHeads {
  readonly plan: Uncertainty;
  /** Under the names of exits/uncertainty.ts. */
  readonly weights: HostTensors;
}

/** Fingerprints of what is judged. */
export interface Judged {
  readonly backbone: string;
  readonly heads: string;
}

/** Writes them whole or not at all. */
export function writeUncertainty(
  path: string,
  { plan, weights }: UncertaintyHeads,
  of: Judged,
): Promise<void> {
  return writeSafetensors(path, weights, {
    metadata: { format, version, ...of, plan: JSON.stringify(plan) },
  });
}

const remedy = 'Run `exithead uncertainty` on the run again.';

/** Whether the metadata of a file says that it holds uncertainty heads. */
export function isUncertaintyFile(metadata: Readonly<Record<string, string>>): boolean {
  return metadata['format'] === format;
}

/** What a file says of the uncertainty heads in it, not yet held against a model. */
export interface UncertaintyDescription {
  readonly plan: Uncertainty;
  readonly judged: Judged;
  readonly tensors: Readonly<Record<string, StoredTensor>>;
}

/** @throws UserError if the file holds no uncertainty heads */
export async function describeUncertainty(path: string): Promise<UncertaintyDescription> {
  const { tensors, metadata } = await openSafetensors(path);
  if (!isUncertaintyFile(metadata) || metadata['version'] !== version)
    throw new UserError(
      `${path} holds no uncertainty heads: its metadata has format ${JSON.stringify(metadata['format'] ?? null)} ` +
        `version ${JSON.stringify(metadata['version'] ?? null)}, expected "${format}" version "${version}". ${remedy}`,
    );
  const plan = planIn(metadata['plan'] ?? '');
  if (!plan) throw new UserError(`${path}: its metadata does not say which exits it judges. ${remedy}`);
  const { backbone = 'none', heads = 'none' } = metadata;
  return { plan, judged: { backbone, heads }, tensors };
}

/**
 * Reads uncertainty heads and checks that they are whole, finite and of this backbone and these heads.
 * @param of fingerprints of backbone and heads at hand
 * @throws UserError naming what does not fit
 */
export async function readUncertainty(
  path: string,
  spec: BackboneSpec,
  of: Judged,
): Promise<UncertaintyHeads> {
  const { plan, judged, tensors } = await describeUncertainty(path);
  for (const what of ['backbone', 'heads'] as const)
    if (judged[what] !== of[what])
      throw new UserError(
        `${path} judges a ${what} with fingerprint ${judged[what]}, but this one has ${of[what]}. ${remedy}`,
      );
  const shown = (shapes: Readonly<Record<string, { readonly shape: readonly number[] }>>): string =>
    Object.entries(shapes)
      .map(([name, { shape }]) => `${name} [${shape.join(', ')}]`)
      .sort()
      .join('; ');
  const expected = Object.entries(uncertaintyShapes(spec, plan)).map(
    ([name, shape]) => [name, { shape }] as const,
  );
  if (shown(tensors) !== shown(Object.fromEntries(expected)))
    throw new UserError(`${path} does not hold the uncertainty heads that it names. ${remedy}`);
  const finite = finiteCheck();
  await fingerprintOf(tensors, finite.see);
  finite.require(path);
  return { plan, weights: await readTensors(tensors) };
}

function planIn(text: string): Uncertainty | undefined {
  try {
    return planSchema.parse(JSON.parse(text));
  } catch {
    return undefined;
  }
}
