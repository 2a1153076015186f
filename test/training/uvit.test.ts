import { beforeAll, describe } from '@jest/globals';
import { uvitSpec } from '../../src/backbones/uvitSpec.js';
import { tf } from '../../src/engine/tf.js';
import type { HeadPlan } from '../../src/exits/heads.js';
import { labelQuery } from '../queries.js';
import { learnsHeads } from './learnsHeads.js';

const common = {
  img_size: 8,
  patch_size: 4,
  in_chans: 2,
  embed_dim: 16,
  depth: 4,
  num_heads: 2,
  time_steps: 100,
};
const specs = [
  ['unconditional, skips joined', uvitSpec(common)],
  ['with classes, left plainly', uvitSpec({ ...common, num_classes: 4, exit_rule: 'plain' })],
] as const;
const threeKinds: readonly HeadPlan[] = [
  { kind: 'block', exit: 2 },
  { kind: 'adapter', exit: 3, bottleneck: 8 },
  { kind: 'linear', exit: 4 },
];

beforeAll(() => tf.setBackend('wasm'));

describe.each(specs)('training heads of a U-ViT, %s', (_, spec) => {
  learnsHeads(spec, threeKinds, ({ x }) =>
    labelQuery(
      tf.tensor4d(x as Float32Array, [2, 2, 8, 8]),
      tf.tensor1d([3, 77]),
      tf.tensor1d([0, Math.max(0, spec.classes - 1)], 'int32'),
    ),
  );
});
