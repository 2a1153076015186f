import { describe, expect, it } from '@jest/globals';
import { openSafetensors } from '../../src/checkpoints/safetensors.js';
import { onnxEngine } from '../../src/engine/onnx.js';
import type { StoredTensor } from '../../src/engine/tensors.js';
import { exitStep, queryInputs } from '../../src/exits/model.js';
import { stream } from '../../src/random.js';
import { fixturePath } from '../fixtures.js';
import { tinySpec } from '../tiny-dit.js';

describe('weights that are mapped because they are large', () => {
  it('give the predictions of copied ones', async () => {
    const frozen = (await openSafetensors(fixturePath('dit/model.safetensors'))).tensors;
    // A step is given all weights that are open together, and goes by their size.
    const [known] = Object.values(frozen);
    const unread: StoredTensor = { ...known!, shape: [2 ** 28], bytes: 2 ** 30 };
    const engine = onnxEngine({ threads: 1, reason: 'test' });
    const samples = 2;
    const { channels, imageSize, depth } = tinySpec;
    const query = {
      x: stream(0, 'x').normals(samples * channels * imageSize ** 2),
      t: Float32Array.of(10, 900),
      y: Int32Array.of(0, 1),
    };
    const [copied, mapped] = await Promise.all(
      [frozen, { ...frozen, unread }].map(async (weights) => {
        const step = await engine.compile(exitStep({ spec: tinySpec, plans: [] }, depth, false), {
          ...{ state: {}, batch: queryInputs(tinySpec), frozen: weights },
        });
        const { prediction } = await step(query);
        await step.dispose();
        return prediction;
      }),
    );
    expect(mapped?.shape).toEqual(copied?.shape);
    expect(mapped?.data).toBeAllClose(copied?.data ?? [], 1e-5);
  });
});
