// Which heads lie in a file, and do they fit their backbone?
import { fingerprintOf } from '../checkpoints/fingerprint.js';
import { openSafetensors } from '../checkpoints/safetensors.js';
import { countOf } from '../engine/tensors.js';
import type { HeadPlan } from '../exits/heads.js';
import { describeHeads, readHeads } from '../exits/headsFile.js';
import { attempted } from './attempted.js';
import { bytesAt } from './bytes.js';
import { dtypesOf, entriesOf, type DtypeFacts } from './dtypes.js';
import { backboneFor, type Fit } from './fit.js';

export interface HeadsFacts {
  readonly kind: 'heads';
  readonly path: string;
  readonly bytes: number;
  readonly plans: readonly HeadPlan[];
  readonly parameters: number;
  readonly dtypes: readonly DtypeFacts[];
  readonly fingerprint: string;
  /** Fingerprint of the backbone that they were made for. */
  readonly backbone: string;
  readonly exitRule: string | undefined;
  /** Empty where the backbone is not at hand. */
  readonly fits: readonly Fit[];
  readonly problems: readonly string[];
}

/** @param given where the backbone is; unless given, that of the run that the heads lie in */
export async function headsFacts(path: string, given: string | undefined): Promise<HeadsFacts> {
  const { plans, backbone, exitRule, tensors } = await describeHeads(path);
  const opened = await backboneFor(path, given);
  const checked = opened && (await attempted(() => readHeads(path, opened.spec, opened.fingerprint)));
  return {
    kind: 'heads',
    path,
    bytes: await bytesAt(path),
    plans,
    parameters: countOf(tensors),
    dtypes: dtypesOf(entriesOf(tensors)),
    fingerprint: await fingerprintOf(tensors),
    backbone,
    exitRule,
    fits: opened
      ? [{ what: 'backbone', place: opened.source, expected: backbone, found: opened.fingerprint }]
      : [],
    problems: checked && 'problem' in checked ? [checked.problem] : [],
  };
}

/** The heads of a bundle, whose plans bundle.json has. */
export interface BundleHeadsFacts {
  readonly kind: 'heads of a bundle';
  readonly path: string;
  readonly bytes: number;
  readonly exits: readonly number[];
  readonly parameters: number;
  readonly dtypes: readonly DtypeFacts[];
  readonly fingerprint: string;
  readonly backbone: string | undefined;
}

const headName = /^exits\.(\d{1,4})\.(?:last|adapter|block|lowRank|memory)\./;

/** Whether these are names of heads and nothing else. */
export function areHeadNames(names: readonly string[]): boolean {
  return names.length > 0 && names.every((name) => headName.test(name));
}

export async function bundleHeadsFacts(path: string): Promise<BundleHeadsFacts> {
  const { tensors, metadata } = await openSafetensors(path);
  const exits = Object.keys(tensors).map((name) => Number(headName.exec(name)?.[1]));
  return {
    kind: 'heads of a bundle',
    path,
    bytes: await bytesAt(path),
    exits: [...new Set(exits)].sort((a, b) => a - b),
    parameters: countOf(tensors),
    dtypes: dtypesOf(entriesOf(tensors)),
    fingerprint: await fingerprintOf(tensors),
    backbone: metadata['backbone'],
  };
}
