// Which heads lie in a file, and to which backbone do they belong? Safetensors that say so in their metadata.
import { z } from 'zod';
import type { BackboneSpec, ExitRule } from '../backbones/backbone.js';
import { exitRuleOf } from '../backbones/spec.js';
import { finiteCheck } from '../checkpoints/finite.js';
import { fingerprintOf } from '../checkpoints/fingerprint.js';
import { openSafetensors, writeSafetensors } from '../checkpoints/safetensors.js';
import { readTensors } from '../checkpoints/stored.js';
import type { HostTensors, StoredTensor } from '../engine/tensors.js';
import { UserError } from '../errors.js';
import { checkedPlans, headShapes, type HeadPlan } from './heads.js';

const format = 'exithead-heads';
const version = '1';

const exit = z.int().min(1).max(1000);
const size = z.int().min(1).max(65536);
const variance = z.literal('shared').optional();
const plansSchema = z.array(
  z.discriminatedUnion('kind', [
    z.strictObject({ kind: z.literal('shared'), exit }),
    z.strictObject({ kind: z.literal('low-rank'), exit, rank: size, variance }),
    z.strictObject({ kind: z.literal('linear'), exit, variance }),
    z.strictObject({ kind: z.literal('adapter'), exit, bottleneck: size, variance }),
    z.strictObject({ kind: z.literal('block'), exit, variance }),
    z.strictObject({ kind: z.literal('remembered'), exit }),
    z.strictObject({ kind: z.literal('memory'), exit, bottleneck: size, variance }),
  ]),
);

/** Trained heads, in memory: they are small beside the backbone. */
export interface TrainedHeads {
  readonly plans: readonly HeadPlan[];
  /** Under the names of exits/heads.ts. */
  readonly weights: HostTensors;
  readonly fingerprint: string;
}

/**
 * Writes heads whole or not at all.
 * @param backbone fingerprint of the backbone that they belong to
 * @param exitRule by which it was left when they were made, where it has a choice
 */
export function writeHeads(
  path: string,
  plans: readonly HeadPlan[],
  weights: HostTensors,
  backbone: string,
  exitRule?: ExitRule,
): Promise<void> {
  return writeSafetensors(path, weights, {
    metadata: { format, version, backbone, plans: JSON.stringify(plans), ...(exitRule && { exitRule }) },
  });
}

/** What a file says of the heads in it, not yet held against a backbone. */
export interface HeadsDescription {
  /** Fingerprint of the backbone that they were made for. */
  readonly backbone: string;
  readonly exitRule: string | undefined;
  readonly plans: readonly HeadPlan[];
  readonly tensors: Readonly<Record<string, StoredTensor>>;
}

const remedy = 'Give the heads.safetensors of a run of `exithead train`.';

/** Whether the metadata of a file says that it holds heads. */
export function isHeadsFile(metadata: Readonly<Record<string, string>>): boolean {
  return metadata['format'] === format;
}

/** @throws UserError if the file holds no heads */
export async function describeHeads(path: string): Promise<HeadsDescription> {
  const { tensors, metadata } = await openSafetensors(path);
  if (!isHeadsFile(metadata) || metadata['version'] !== version)
    throw new UserError(
      `${path} holds no exit heads: its metadata has format ${JSON.stringify(metadata['format'] ?? null)} ` +
        `version ${JSON.stringify(metadata['version'] ?? null)}, expected "${format}" version "${version}". ${remedy}`,
    );
  return {
    backbone: metadata['backbone'] ?? 'none',
    exitRule: metadata['exitRule'],
    plans: plansIn(path, metadata['plans'] ?? ''),
    tensors,
  };
}

/**
 * Reads heads and checks that they are whole, finite and of this backbone.
 * @param backbone fingerprint of the backbone at hand
 * @throws UserError naming what does not fit
 */
export async function readHeads(path: string, spec: BackboneSpec, backbone: string): Promise<TrainedHeads> {
  const described = await describeHeads(path);
  const { tensors } = described;
  requireSameBackbone(described.backbone, backbone, path);
  requireSameRule(path, described.exitRule, exitRuleOf(spec));
  const plans = possiblePlans(path, spec, described.plans);
  const problems = weightProblems(spec, plans, tensors);
  if (problems.length > 0)
    throw new UserError(
      `${path} does not hold the heads that it names:\n${problems.slice(0, 12).join('\n')}\nTrain the heads again.`,
    );
  const finite = finiteCheck();
  const fingerprint = await fingerprintOf(tensors, finite.see);
  finite.require(path);
  return { plans, weights: await readTensors(tensors), fingerprint };
}

/**
 * Heads and schedules work with the backbone that they were made for alone.
 * @param expected fingerprint of that backbone
 * @param found fingerprint of the backbone at hand
 * @param what belongs to `expected`, for the message: 'the bundle out/bundle'
 * @throws UserError if they differ
 */
export function requireSameBackbone(expected: string, found: string, what: string): void {
  if (expected === found) return;
  throw new UserError(
    `${what} was made for the backbone with fingerprint ${expected}, but this backbone has ${found}. ` +
      'Give the backbone that it was made for, or train and profile heads for this one.',
  );
}

/** Heads see another hidden state where another rule leaves the backbone. */
function requireSameRule(path: string, expected: string | undefined, found: string | undefined): void {
  if (expected === found) return;
  throw new UserError(
    `${path} was made for the exit rule ${expected ?? 'none'}, but this backbone is left by ${found ?? 'none'}. ` +
      'Set backbone.exitRule as it was, or train heads for this rule.',
  );
}

/**
 * What is wrong with these weights: every weight of the heads must be there with its shape, and no other.
 * @param weights anything with shapes, by name
 * @returns a line for each, none if all is well
 */
export function weightProblems(
  spec: BackboneSpec,
  plans: readonly HeadPlan[],
  weights: Readonly<Record<string, { readonly shape: readonly number[] }>>,
): string[] {
  const expected = new Map(plans.flatMap((plan) => Object.entries(headShapes(spec, plan))));
  const shown = (shape: readonly number[] | undefined): string => (shape ? `[${shape.join(', ')}]` : 'none');
  return [...new Set([...expected.keys(), ...Object.keys(weights)])].flatMap((name) => {
    const [found, wanted] = [shown(weights[name]?.shape), shown(expected.get(name))];
    return found === wanted ? [] : [`  weight ${name}: found ${found}, expected ${wanted}`];
  });
}

function plansIn(path: string, text: string): readonly HeadPlan[] {
  try {
    return plansSchema.parse(JSON.parse(text));
  } catch {
    throw new UserError(`${path}: its metadata does not say which heads it holds. ${remedy}`);
  }
}

/** A list that can be read may name heads that this backbone cannot have. */
function possiblePlans(path: string, spec: BackboneSpec, plans: readonly HeadPlan[]): readonly HeadPlan[] {
  try {
    return checkedPlans(spec, plans);
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    throw new UserError(`${path}: ${error.message}. ${remedy}`);
  }
}
