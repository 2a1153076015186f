// What is a LayerNorm with weights of its own?
import type { Tensors } from '../engine/engine.js';
import { tf } from '../engine/tf.js';
import { composite, withGradient } from './composites.js';
import { weightOf } from './layers.js';

/** PyTorch's default, which U-ViT leaves as it is. */
const epsilon = 1e-5;

/** Scale and offset of a LayerNorm, [D] each. */
export interface AffineNorm {
  readonly scale: tf.Tensor;
  readonly offset: tf.Tensor;
}

/** The LayerNorm of that name, such as `mid_block.norm1`. */
export function normWeights(weights: Tensors, name: string): AffineNorm {
  return { scale: weightOf(weights, `${name}.weight`), offset: weightOf(weights, `${name}.bias`) };
}

/** Mean 0 and variance 1 over the last axis, then scale and offset. @param x [..., D] */
export function affineNorm<T extends tf.Tensor>(x: T, { scale, offset }: AffineNorm): T {
  const y = withGradient<tf.Tensor>(
    [x, scale, offset],
    (x, scale, offset) => {
      if (!x || !scale || !offset) throw new Error('a norm with weights has three inputs');
      const [value, mean, inverse] =
        composite('LayerNormAffine', { x, scale, offset }, { epsilon }) ?? normalise(x, scale, offset);
      if (!value || !mean || !inverse) throw new Error('LayerNormAffine has three outputs');
      return { value, saved: [x, scale, mean, inverse] };
    },
    (dy, [x, scale, mean, inverse]) => {
      if (!x || !scale || !mean || !inverse) throw new Error('affineNorm saves four tensors');
      // dx = (g - mean(g) - n mean(g n)) / deviation, g = dy scale, n the normalised x.
      const normal = tf.mul(tf.sub(x, mean), inverse);
      const inner = tf.mul(dy, scale);
      const along = tf.mul(normal, tf.mean(tf.mul(inner, normal), -1, true));
      const dx = tf.mul(tf.sub(tf.sub(inner, tf.mean(inner, -1, true)), along), inverse);
      const rows = x.shape.map((_, i) => i).slice(0, -1);
      return [dx, tf.sum(tf.mul(dy, normal), rows), tf.sum(dy, rows)];
    },
  );
  return y as T;
}

function normalise(x: tf.Tensor, scale: tf.Tensor, offset: tf.Tensor): readonly tf.Tensor[] {
  const mean = tf.mean(x, -1, true);
  const centred = tf.sub(x, mean);
  const inverse = tf.rsqrt(tf.add(tf.mean(tf.square(centred), -1, true), epsilon));
  return [tf.add(tf.mul(tf.mul(centred, inverse), scale), offset), mean, inverse];
}
