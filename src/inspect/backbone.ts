// Which backbone is it, what does it cost, and if it is none that runs, what is wrong with it?
import type { BackboneSpec } from '../backbones/backbone.js';
import type { Layout } from '../backbones/layout.js';
import { openBackbone, type BackboneSource } from '../checkpoints/backbone.js';
import { NotFiniteError, type NotFinite } from '../checkpoints/finite.js';
import { Misfit, type Comparison } from '../checkpoints/parameters.js';
import { countOf } from '../engine/tensors.js';
import { dtypesOf, entriesOf, type DtypeFacts } from './dtypes.js';
import { costsOf, type Costs } from './macs.js';

export interface BackboneFacts extends Costs {
  readonly kind: 'backbone';
  readonly path: string;
  /** Of its parameters. */
  readonly bytes: number;
  /** Why it is taken for what it is. */
  readonly reason: string;
  readonly spec: BackboneSpec;
  readonly layout: Layout;
  readonly parameters: number;
  readonly dtypes: readonly DtypeFacts[];
  readonly fingerprint: string;
  /** What else the file holds. */
  readonly leftOut: readonly string[];
}

/** A checkpoint that is taken for a backbone, but cannot run as one. */
export interface UnfitBackboneFacts {
  readonly kind: 'unfit backbone';
  readonly path: string;
  readonly spec: BackboneSpec | undefined;
  readonly comparison: Comparison | undefined;
  readonly notFinite: readonly NotFinite[];
  readonly problems: readonly string[];
}

/** @throws UserError if it cannot be opened for another reason than its weights */
export async function backboneFacts(source: BackboneSource): Promise<BackboneFacts | UnfitBackboneFacts> {
  const { path } = source;
  try {
    const { spec, reason, layout, weights, fingerprint, leftOut } = await openBackbone(source);
    const dtypes = dtypesOf(entriesOf(weights));
    return {
      kind: 'backbone',
      path,
      bytes: dtypes.reduce((sum, { bytes }) => sum + bytes, 0),
      ...{ reason, spec, layout },
      parameters: countOf(weights),
      ...{ dtypes, fingerprint, leftOut },
      ...costsOf(spec, weights),
    };
  } catch (error) {
    if (!(error instanceof Misfit || error instanceof NotFiniteError)) throw error;
    const misfit = error instanceof Misfit ? error : undefined;
    return {
      kind: 'unfit backbone',
      path,
      spec: misfit?.spec,
      comparison: misfit?.comparison,
      notFinite: error instanceof NotFiniteError ? error.notFinite : [],
      problems: [error.message],
    };
  }
}
