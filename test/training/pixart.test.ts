import { beforeAll, describe } from '@jest/globals';
import { tf } from '../../src/engine/tf.js';
import type { HeadPlan } from '../../src/exits/heads.js';
import { queryOf } from '../../src/exits/model.js';
import { learnsHeads } from './learnsHeads.js';
import { madePixart } from '../tiny-pixart.js';

/** Of latents with learned variance. */
const spec = madePixart(4, 2, 3);
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
