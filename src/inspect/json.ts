// What is a JSON file of the project, or a config.json? Its `format` says so.
import { basename, dirname } from 'node:path';
import { bundleFormat } from '../bundle/description.js';
import { onnxManifestFile } from '../bundle/onnx.js';
import { onnxManifestFormat } from '../bundle/onnxManifest.js';
import { captionsFormat } from '../data/captions.js';
import { latentsFormat } from '../data/latentsIndex.js';
import { UserError } from '../errors.js';
import { featuresFormat } from '../evaluate/featuresFile.js';
import { evaluationFormat } from '../evaluate/results.js';
import { calibrationFormat } from '../schedules/calibration.js';
import { errorPartFormat } from '../schedules/errorParts.js';
import { errorTableFormat } from '../schedules/errorTable.js';
import { shown } from '../files/jsonFile.js';
import { scheduleFormat } from '../schedules/schedule.js';
import { sensitivityFormat } from '../schedules/sensitivity.js';
import { frontFormat } from '../schedules/frontFile.js';
import { trajectoriesFormat } from '../schedules/trajectories.js';
import { isVaeConfig } from '../vae/spec.js';
import { backboneConfigFacts, isBackboneConfig, type BackboneConfigFacts } from './backboneConfig.js';
import { bundleFacts, type BundleFacts } from './bundle.js';
import { captionsFacts, type CaptionsFacts } from './captions.js';
import { errorTableFacts, type ErrorTableFacts } from './errorTable.js';
import { featuresFacts, type FeaturesFacts } from './features.js';
import { latentsFacts, type LatentsFacts } from './latents.js';
import {
  calibrationFacts,
  errorPartFacts,
  evaluationFacts,
  sensitivityFacts,
  trajectoriesFacts,
  frontFacts,
  type CalibrationFacts,
  type ErrorPartFacts,
  type EvaluationFacts,
  type SensitivityFacts,
  type TrajectoriesFacts,
  type FrontFacts,
} from './measured.js';
import { onnxGraphsFacts, type OnnxGraphsFacts } from './onnxGraphs.js';
import { scheduleFacts, type ScheduleFacts } from './schedule.js';
import { vaeConfigFacts, type VaeConfigFacts } from './vaeConfig.js';

export type JsonFacts =
  | BackboneConfigFacts
  | BundleFacts
  | CalibrationFacts
  | CaptionsFacts
  | ErrorPartFacts
  | ErrorTableFacts
  | EvaluationFacts
  | FeaturesFacts
  | LatentsFacts
  | OnnxGraphsFacts
  | ScheduleFacts
  | SensitivityFacts
  | TrajectoriesFacts
  | FrontFacts
  | VaeConfigFacts;

type Reader = (path: string, backbone: string | undefined) => Promise<JsonFacts>;

/** Who reads a file, by its format. */
const readers = new Map<string, Reader>([
  [bundleFormat.name, (path, backbone) => bundleFacts(folderOf(path, 'bundle.json'), backbone)],
  [onnxManifestFormat.name, (path) => onnxGraphsFacts(folderOf(path, onnxManifestFile))],
  [scheduleFormat.name, scheduleFacts],
  [frontFormat.name, frontFacts],
  [errorTableFormat.name, errorTableFacts],
  [errorPartFormat.name, errorPartFacts],
  [sensitivityFormat.name, sensitivityFacts],
  [trajectoriesFormat.name, trajectoriesFacts],
  [calibrationFormat.name, calibrationFacts],
  [evaluationFormat.name, evaluationFacts],
  [featuresFormat.name, (path) => featuresFacts(path)],
  [latentsFormat.name, (path) => latentsFacts(folderOf(path, 'index.json'))],
  [captionsFormat.name, (path) => captionsFacts(folderOf(path, 'captions.json'))],
]);

/**
 * @param backbone where the backbone is that the file refers to; unless given, where it or its folder says
 * @throws UserError if it is of no known format, or not sound
 */
export async function jsonFacts(
  path: string,
  json: unknown,
  backbone: string | undefined,
): Promise<JsonFacts> {
  const object = typeof json === 'object' && json !== null ? json : {};
  const format = 'format' in object ? object.format : undefined;
  const reader = typeof format === 'string' ? readers.get(format) : undefined;
  if (reader) return reader(path, backbone);
  if (isVaeConfig(object)) return vaeConfigFacts(path, object);
  if (isBackboneConfig(object)) return backboneConfigFacts(path, object);
  const known = [...readers.keys()].join(', ');
  throw new UserError(
    `${path} is JSON ${format === undefined ? 'without a format' : `of the format ${shown(format)}`}, and no config.json of a ` +
      `model. Formats that exithead knows are ${known}.`,
  );
}

/** Where the folder is meant that a file describes. */
function folderOf(path: string, name: string): string {
  if (basename(path) === name) return dirname(path);
  throw new UserError(
    `${path} describes the folder that it lies in, but under the name ${basename(path)}; expected ${name}. Rename it, or give ` +
      'the folder that it came from.',
  );
}
