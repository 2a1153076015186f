import { beforeAll, expect, it } from '@jest/globals';
import type { Engine } from '../../src/engine/engine.js';
import { pickEngine } from '../../src/engine/pick.js';
import { tf } from '../../src/engine/tf.js';
import { computesLikeOnnx, expectTrainingLikeOnnx } from './likeOnnx.js';
import { describeOn } from './present.js';

await describeOn('native', 'the engine native', () => {
  let engine: Engine;
  beforeAll(async () => {
    engine = await pickEngine({ kind: 'native', threads: 0 });
  });

  computesLikeOnnx(() => engine);

  it('computes on the TensorFlow.js of this process: tensors of either are those of the other', async () => {
    await tf.setBackend('tensorflow');
    const product = tf.tidy(() => tf.matMul(tf.ones([2, 3]), tf.ones([3, 2])));
    expect(product).toBeInstanceOf(tf.Tensor);
    expect([...product.dataSync()]).toEqual([3, 3, 3, 3]);
    product.dispose();
  });

  it('keeps no tensor', async () => {
    await expect(() => expectTrainingLikeOnnx(engine, 5e-6)).toKeepTensorCount();
  });

  it('refuses to be in one process with cuda', async () => {
    await expect(pickEngine({ kind: 'cuda', threads: 0 })).rejects.toThrow(
      /^engine cuda (cannot be opened in a process that has used native|does not run here: )/,
    );
  });
});
