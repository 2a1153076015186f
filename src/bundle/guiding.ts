// How does a bundle guide? As it was exported, unless a call says otherwise.
import type { BackboneSpec } from '../backbones/backbone.js';
import { requireChannels, requireGuidable } from '../backbones/guidance.js';
import type { SampleConfig } from '../config/schema.js';
import { channelsOf, type Guidance } from '../exits/guided.js';
import type { BundleDiffusion } from './description.js';

export interface Guiding extends Guidance {
  /** How many channels guidance moves, from the first; all unless given. */
  readonly guidedChannels?: number | undefined;
}

/** @throws UserError if the backbone cannot be guided so */
export function guidingOf(
  spec: BackboneSpec,
  bundle: Pick<BundleDiffusion, 'guidance' | 'guidanceChannels' | 'guidanceInterval'>,
  asked: Pick<SampleConfig['sample'], 'guidance' | 'guidanceChannels' | 'guidanceInterval'>,
): Guiding {
  const guidance = asked.guidance ?? bundle.guidance;
  const guidedChannels = channelsOf({ guidanceChannels: asked.guidanceChannels ?? bundle.guidanceChannels });
  const guidanceInterval = asked.guidanceInterval ?? bundle.guidanceInterval;
  requireGuidable(spec, guidance);
  requireChannels(spec, guidedChannels);
  return {
    guidance,
    ...(guidanceInterval && { guidanceInterval }),
    ...(guidedChannels !== undefined && { guidedChannels }),
  };
}

/** As files say it. */
export function guidingIn({ guidance, guidanceInterval, guidedChannels }: Guiding): {
  readonly guidance: number;
  readonly guidanceChannels?: number;
  readonly guidanceInterval?: number[];
} {
  return {
    guidance,
    ...(guidedChannels !== undefined && { guidanceChannels: guidedChannels }),
    ...(guidanceInterval && { guidanceInterval: [...guidanceInterval] }),
  };
}
