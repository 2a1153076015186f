// How is a backbone made from nothing?
import type { BackboneSpec } from '../backbones/backbone.js';
import { initialWeights, trainable } from '../backbones/init.js';
import { ditSpec } from '../backbones/spec.js';
import type { PretrainConfig } from '../config/schema.js';
import type { HostTensors } from '../engine/tensors.js';
import { fit, type Work } from './fit.js';
import { pretrainStep } from './pretrainStep.js';
import type { Run } from './runFolder.js';
import { part } from './state.js';

/** The backbone that a config describes. */
export function specToMake({
  backbone,
  diffusion,
}: Pick<PretrainConfig, 'backbone' | 'diffusion'>): BackboneSpec {
  return ditSpec({
    family: backbone.family,
    input_size: backbone.imageSize,
    patch_size: backbone.patch,
    in_channels: backbone.channels,
    hidden_size: backbone.width,
    depth: backbone.depth,
    num_heads: backbone.heads,
    mlp_ratio: backbone.mlpRatio,
    num_classes: backbone.classes,
    learn_sigma: false,
    time_steps: diffusion.steps,
  });
}

/**
 * Trains all of a backbone but its fixed positions.
 * @returns the averaged weights
 */
export async function pretrain(run: Run, config: PretrainConfig, work: Work): Promise<HostTensors> {
  const spec = specToMake(config);
  const initial = Object.entries(initialWeights(spec, config.seed));
  const moves = new Set(trainable(spec));
  const weights = Object.fromEntries(initial.filter(([name]) => moves.has(name)));
  const frozen = Object.fromEntries(initial.filter(([name]) => !moves.has(name)));
  const stepOf = (options: Parameters<typeof pretrainStep>[1]): ReturnType<typeof pretrainStep> =>
    pretrainStep(spec, options);
  const state = await fit({ ...work, run, spec, config, weights, frozen, stepOf });
  return { ...frozen, ...part(state, 'ema') };
}
