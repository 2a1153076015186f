import { beforeAll, describe } from '@jest/globals';
import { pixartSpec } from '../../src/backbones/pixartSpec.js';
import { tf } from '../../src/engine/tf.js';
import type { HeadPlan } from '../../src/exits/heads.js';
import { queryOf } from '../../src/exits/model.js';
import { learnsHeads } from './learnsHeads.js';

/** Of latents with learned variance. */
const spec = pixartSpec({
  ...{
    num_layers: 4,
    num_attention_heads: 2,
    attention_head_dim: 8,
    cross_attention_dim: 16,
    time_steps: 100,
  },
  ...{
    in_channels: 2,
    out_channels: 4,
    sample_size: 8,
    patch_size: 4,
    caption_channels: 6,
    caption_tokens: 3,
  },
});
const threeKinds: readonly HeadPlan[] = [
  { kind: 'block', exit: 1 },
  { kind: 'adapter', exit: 2, bottleneck: 8 },
  { kind: 'linear', exit: 3 },
];

beforeAll(() => tf.setBackend('wasm'));

describe('training heads of a PixArt', () => {
  learnsHeads(spec, threeKinds, (feeds) => {
    const { x, t, caption, captionMask } = feeds as Record<string, Float32Array>;
    return queryOf(
      {
        x: tf.tensor4d(x!, [2, 2, 8, 8]),
        t: tf.tensor1d(t!),
        caption: tf.tensor3d(caption!, [2, 3, 6]),
        captionMask: tf.tensor2d(captionMask!, [2, 3]),
      },
      spec,
    );
  });
});
