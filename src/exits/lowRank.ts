// How does a head share the backbone's last layer and still say it in its own way? By a shift and a scale of low rank.
import { linear, linearWeights, weightOf } from '../backbones/layers.js';
import type { Start } from '../backbones/backbone.js';
import type { Tensors } from '../engine/engine.js';
import type { tf } from '../engine/tf.js';
import type { Shapes } from '../engine/tensors.js';

/**
 * Parameters, without prefix.
 * @param width D
 * @param rank r
 */
export function lowRankShapes(width: number, rank: number): Shapes {
  return { 'down.weight': [rank, width], 'up.weight': [2 * width, rank], 'up.bias': [2 * width] };
}

/** Untrained it adds nothing. */
export function lowRankStart(name: string): Start {
  return name === 'down.weight' ? 'random' : 'zero';
}

/**
 * What is added to shift and scale of the last norm, [B, 2 D]: up(down(condition)). In a DiT, whose last layer makes both
 * of the condition by one linear layer W, W + up down takes the place of W.
 * @param condition [B, D]
 */
export function lowRankModulation(weights: Tensors, condition: tf.Tensor2D): tf.Tensor2D {
  const narrow = linear(condition, { weight: weightOf(weights, 'down.weight') });
  return linear(narrow, linearWeights(weights, 'up'));
}
