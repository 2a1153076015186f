import { beforeAll, describe, expect, it } from '@jest/globals';
import type { Engine } from '../../src/engine/engine.js';
import { pickEngine } from '../../src/engine/pick.js';
import { tf } from '../../src/engine/tf.js';
import { cases } from '../trace/cases.js';
import { feedsOf, stepOf } from '../trace/caseSteps.js';
import { onnx } from '../training/tiny.js';
import { expectSamplingLikeOnnx, expectTrainingLikeOnnx } from './likeOnnx.js';
import { describeOn } from './present.js';

await describeOn('native', 'the engine native', () => {
  let engine: Engine;
  beforeAll(async () => {
    engine = await pickEngine({ kind: 'native', threads: 0 });
  });

  it('trains heads as onnx does', async () => {
    await expectTrainingLikeOnnx(engine, 5e-6);
  });

  it('samples as onnx does', async () => {
    await expectSamplingLikeOnnx(engine, 2e-5);
  });

  describe('of every kernel', () => {
    it.each(cases.map((one) => [one.kernel, one] as const))(
      'computes %s and its gradient as onnx does',
      async (_, one) => {
        const batch = Object.fromEntries(
          Object.entries(one.inputs).map(([name, shape]) => [name, { shape }]),
        );
        const run = async (on: Engine) => {
          const compiled = await on.compile(stepOf(one), { state: {}, batch, frozen: {} });
          const results = await compiled(feedsOf(one, 5));
          await compiled.dispose();
          return results;
        };
        const actual = await run(engine);
        for (const [name, { shape, data }] of Object.entries(await run(onnx))) {
          expect(actual[name]?.shape).toEqual(shape);
          const largest = Math.max(10, ...[...data].map(Math.abs));
          expect(actual[name]?.data).toBeAllClose([...data], 2e-6 * largest);
        }
      },
    );
  });

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
