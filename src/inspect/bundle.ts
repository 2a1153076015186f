// What does a bundle hold, and is its backbone where it says?
import type { BackboneSpec } from '../backbones/backbone.js';
import { readBundle, type Bundle } from '../bundle/bundle.js';
import { openBundle } from '../bundle/openBundle.js';
import { countOf } from '../engine/tensors.js';
import type { MeasuredExit } from '../schedules/errorTable.js';
import { stretchesOf, type Schedule, type Stretch } from '../schedules/schedule.js';
import { attempted } from './attempted.js';
import { bytesAt } from './bytes.js';
import { bundledGraphs } from './onnxGraphs.js';

export interface BundleFacts {
  readonly kind: 'bundle';
  readonly path: string;
  readonly bytes: number;
  readonly spec: BackboneSpec;
  /** Of the backbone. */
  readonly fingerprint: string;
  readonly source: string;
  /** Whether the backbone is there. */
  readonly isAtHand: boolean;
  readonly diffusion: Bundle['diffusion'];
  readonly headParameters: number;
  readonly exits: readonly MeasuredExit[];
  readonly schedule: Schedule;
  readonly stretches: readonly Stretch[];
  /** Exits that lie in it as ONNX graphs. */
  readonly graphs: readonly number[];
  readonly problems: readonly string[];
}

/**
 * @param given where the backbone is; unless given, where the bundle says
 * @throws UserError if the bundle itself is not sound
 */
export async function bundleFacts(path: string, given: string | undefined): Promise<BundleFacts> {
  const { backbone, diffusion, heads, schedule } = await readBundle(path);
  const { spec, fingerprint, source } = backbone;
  const opened = await attempted(() =>
    openBundle(path, given === undefined ? undefined : { path: given, weights: 'auto' }),
  );
  const graphs = await bundledGraphs(path, schedule);
  return {
    kind: 'bundle',
    path,
    bytes: await bytesAt(path),
    ...{ spec, fingerprint, source, diffusion },
    isAtHand: 'result' in opened,
    headParameters: countOf(heads),
    exits: schedule.available,
    ...{ schedule, stretches: stretchesOf(schedule) },
    graphs: graphs.exits,
    problems: ['problem' in opened ? [opened.problem] : [], graphs.problems].flat(),
  };
}
