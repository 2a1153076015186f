// How does a whole training state move, given the gradients? AdamW, then the average of the weights.
import type { Tensors } from '../engine/engine.js';
import type { tf } from '../engine/tf.js';
import { adamwStep, type AdamwOptions } from './adamw.js';
import { emaStep } from './ema.js';
import { named, part } from './state.js';

export interface UpdateOptions extends AdamwOptions {
  /** Decay of the averaged weights. */
  readonly ema: number;
}

/**
 * @param state layout of training/state.ts
 * @param gradients by the weight's name
 * @param lr learning rate, a scalar
 * @returns the next state, and the norm of all gradients before clipping
 */
export function update(
  state: Tensors,
  gradients: Tensors,
  lr: tf.Tensor,
  options: UpdateOptions,
): { readonly state: Tensors; readonly norm: tf.Tensor } {
  const { weights, moments, norm } = adamwStep(part(state, 'w'), state, gradients, lr, options);
  const { step } = moments;
  if (!step) throw new Error('adamw returns its step');
  const ema = emaStep(part(state, 'ema'), weights, step, options.ema);
  return { state: { ...named('w', weights), ...moments, ...named('ema', ema) }, norm };
}
