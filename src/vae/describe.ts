// What is an autoencoder, in facts that a person or a program reads?
import { countOf, isStored } from '../engine/tensors.js';
import type { StoredVae } from './openVae.js';
import type { VaeLayout } from './names.js';
import { partOf } from './parts.js';
import { decoderShapes, encoderShapes } from './shapes.js';
import type { VaeSpec } from './spec.js';

export interface VaeFacts {
  /** Class of diffusers. */
  readonly kind: 'AutoencoderKL';
  readonly source: string;
  /** Where the spec is from, in words. */
  readonly reason: string;
  readonly layout: VaeLayout;
  readonly fingerprint: string;
  readonly spec: VaeSpec;
  /** Numbers among its weights, altogether and of each half. */
  readonly parameters: number;
  readonly encoderParameters: number;
  readonly decoderParameters: number;
  /** How the weights lie in the file. */
  readonly dtypes: readonly string[];
  /** Bytes of the weights in the file. */
  readonly bytes: number;
}

export function describeVae({ spec, weights, source, reason, layout, fingerprint }: StoredVae): VaeFacts {
  const stored = Object.values(weights).filter(isStored);
  return {
    kind: 'AutoencoderKL',
    ...{ source, reason, layout, fingerprint, spec },
    parameters: countOf(weights),
    encoderParameters: countOf(partOf(weights, encoderShapes(spec))),
    decoderParameters: countOf(partOf(weights, decoderShapes(spec))),
    dtypes: [...new Set(stored.map(({ dtype }) => dtype))].sort(),
    bytes: stored.reduce((sum, { bytes }) => sum + bytes, 0),
  };
}
