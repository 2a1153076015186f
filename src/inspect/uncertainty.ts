// Which uncertainty heads lie in a file, and do they judge the heads beside them?
import { fingerprintOf } from '../checkpoints/fingerprint.js';
import { countOf } from '../engine/tensors.js';
import type { Uncertainty } from '../exits/uncertainty.js';
import { describeUncertainty, readUncertainty } from '../exits/uncertaintyFile.js';
import { attempted } from './attempted.js';
import { bytesAt } from './bytes.js';
import { dtypesOf, entriesOf, type DtypeFacts } from './dtypes.js';
import { backboneFor, fitProblems, fitsOf, type Fit } from './fit.js';

export interface UncertaintyFacts {
  readonly kind: 'uncertainty heads';
  readonly path: string;
  readonly bytes: number;
  readonly plan: Uncertainty;
  readonly parameters: number;
  readonly dtypes: readonly DtypeFacts[];
  readonly fingerprint: string;
  /** Fingerprints of what they judge. */
  readonly backbone: string;
  readonly heads: string;
  readonly fits: readonly Fit[];
  readonly problems: readonly string[];
}

/** @param given where the backbone is; unless given, that of the run or bundle that the file lies in */
export async function uncertaintyFacts(path: string, given: string | undefined): Promise<UncertaintyFacts> {
  const { plan, judged, tensors } = await describeUncertainty(path);
  const fits = await fitsOf(path, judged, given);
  const opened = await backboneFor(path, given);
  const read = opened && (await attempted(() => readUncertainty(path, opened.spec, judged)));
  return {
    kind: 'uncertainty heads',
    path,
    bytes: await bytesAt(path),
    ...{ plan, parameters: countOf(tensors), dtypes: dtypesOf(entriesOf(tensors)) },
    fingerprint: await fingerprintOf(tensors),
    ...{ backbone: judged.backbone, heads: judged.heads, fits },
    problems: [...fitProblems(path, fits), ...(read && 'problem' in read ? [read.problem] : [])],
  };
}
