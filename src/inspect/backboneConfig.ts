// Which backbone does a config.json describe, whatever weights there are?
import type { BackboneSpec } from '../backbones/backbone.js';
import { familyOf } from '../backbones/families.js';
import { readSpec } from '../backbones/spec.js';
import { countOf, type Weights } from '../engine/tensors.js';
import { bytesAt } from './bytes.js';
import { costsOf, type Costs } from './macs.js';

export interface BackboneConfigFacts extends Costs {
  readonly kind: 'backbone config';
  readonly path: string;
  readonly bytes: number;
  readonly spec: BackboneSpec;
  /** That its checkpoint has. */
  readonly parameters: number;
}

/** Options that one class or the other has, and few other files. */
const options = ['patch_size', 'input_size', 'img_size', 'hidden_size', 'embed_dim', 'num_attention_heads'];

/** Whether parsed JSON has the options of a backbone. */
export function isBackboneConfig(json: object): boolean {
  return options.filter((name) => Object.hasOwn(json, name)).length >= 2;
}

/** @throws UserError naming all that is wrong in it */
export async function backboneConfigFacts(path: string, json: object): Promise<BackboneConfigFacts> {
  const spec = readSpec(json, path);
  const weights: Weights = Object.fromEntries(
    Object.entries(familyOf(spec).shapes(spec)).map(([name, shape]) => [
      name,
      // Nothing is read where multiply-adds are counted.
      { shape, dtype: 'F32', path, offset: 0, bytes: 0 },
    ]),
  );
  return {
    kind: 'backbone config',
    path,
    bytes: await bytesAt(path),
    spec,
    parameters: countOf(weights),
    ...costsOf(spec, weights),
  };
}
