// Which autoencoder does a config.json describe, whatever weights there are?
import { sizeOf } from '../engine/tensors.js';
import { vaeShapes } from '../vae/shapes.js';
import { readVaeSpec, type VaeSpec } from '../vae/spec.js';
import { bytesAt } from './bytes.js';

export interface VaeConfigFacts {
  readonly kind: 'autoencoder config';
  readonly path: string;
  readonly bytes: number;
  readonly spec: VaeSpec;
  /** That its checkpoint has. */
  readonly parameters: number;
}

/** @throws UserError naming all that is wrong in it */
export async function vaeConfigFacts(path: string, json: object): Promise<VaeConfigFacts> {
  const spec = readVaeSpec(json, path);
  const parameters = Object.values(vaeShapes(spec)).reduce((sum, shape) => sum + sizeOf(shape), 0);
  return { kind: 'autoencoder config', path, bytes: await bytesAt(path), spec, parameters };
}
