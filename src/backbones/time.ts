// Which native t does a backbone expect at a diffusion step?
import { tf } from '../engine/tf.js';
import { unreachable } from '../errors.js';
import type { BackboneSpec } from './backbone.js';

/** Native t [B] of diffusion steps 0..T-1 [B]; steps between whole numbers have theirs, too. */
export function nativeTime(
  { timeAxis, timeSteps }: Pick<BackboneSpec, 'timeAxis' | 'timeSteps'>,
  step: tf.Tensor1D,
): tf.Tensor1D {
  switch (timeAxis) {
    case 'steps':
      return step;
    case 'steps-from-1':
      return tf.add(step, 1);
    case 'continuous':
      return tf.mul(tf.add(step, 1), 999 / timeSteps);
    default:
      return unreachable(timeAxis);
  }
}
