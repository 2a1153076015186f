// Which keys say what computes?
import { z } from 'zod';
import { engineKinds } from '../../engine/engine.js';
import { providers } from '../../engine/providers.js';
import { frozenPrecisions } from '../../engine/tensors.js';
import { from0 } from './values.js';

const engineKeys = z.strictObject({
  kind: z.enum(engineKinds).default('auto').describe('what computes; auto takes the fastest there is'),
  provider: z
    .enum(providers)
    .default('cpu')
    .describe(
      'what the engine onnx computes on: an execution provider of onnxruntime; refused where it is not there',
    ),
  threads: from0(1024).default(0).describe('CPU threads; 0 takes all cores'),
});

export const engineSection = engineKeys.prefault({}).describe('what computes');

const frozenPrecision = z.enum(frozenPrecisions);

/** With a backbone that stays as it is: train. */
export const frozenEngineSection = engineKeys
  .extend({
    frozenPrecision: frozenPrecision
      .default('fp32')
      .describe(
        'what the frozen backbone computes in, while heads train and ever after; int8 is faster, less exact, and runs on onnx alone',
      ),
  })
  .prefault({})
  .describe('what computes');

/** Sampling from a bundle: what is not given is the bundle's. */
export const bundleEngineSection = engineKeys
  .extend({
    frozenPrecision: frozenPrecision
      .optional()
      .describe("what the backbone computes in; unless given, what the bundle's heads were trained on"),
  })
  .prefault({})
  .describe('what computes');
