// How does a network in an ONNX file see images, and does it lie beside its description?
import { readFeaturesFile, type FeaturesFile } from '../evaluate/featuresFile.js';
import { isFile } from '../files/disk.js';
import { bytesAt } from './bytes.js';

export interface FeaturesFacts {
  readonly kind: 'features';
  readonly path: string;
  readonly bytes: number;
  readonly description: FeaturesFile;
  /** Where its network is, under the name that `evaluate` looks for the description by. */
  readonly network: string;
  readonly problems: readonly string[];
}

export async function featuresFacts(path: string): Promise<FeaturesFacts> {
  const description = await readFeaturesFile(path);
  const network = `${path.replace(/\.json$/i, '')}.onnx`;
  return {
    kind: 'features',
    path,
    bytes: await bytesAt(path),
    ...{ description, network },
    problems: (await isFile(network))
      ? []
      : [
          `${path} describes a network, but ${network} is not there. Put both into one folder under one name.`,
        ],
  };
}
