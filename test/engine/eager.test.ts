import { beforeAll, describe, expect, it } from '@jest/globals';
import type { Step } from '../../src/engine/engine.js';
import { eagerEngine } from '../../src/engine/eager.js';
import type { HostTensor, StoredTensor } from '../../src/engine/tensors.js';
import { tf } from '../../src/engine/tf.js';
import { eager } from '../training/tiny.js';

const w: HostTensor = { shape: [2], data: Float32Array.of(2, 3) };
const unread: HostTensor = { shape: [2], data: Float32Array.of(5, 7) };
const product: Step = (_state, { x }, { w }) => ({ state: {}, out: { y: tf.mul(x!, w!) } });
const options = { state: {}, batch: { x: { shape: ['batch', 2] } }, frozen: { w, unread } } as const;

describe('an eager engine', () => {
  beforeAll(async () => {
    await tf.setBackend('wasm');
  });

  it('holds a weight once for all steps that read it, and none that nobody reads', async () => {
    const before = tf.memory().numTensors;
    const first = await eager.compile(product, options);
    const second = await eager.compile(product, options);
    expect(tf.memory().numTensors).toBe(before + 1);
    await first.dispose();
    expect((await second({ x: Float32Array.of(1, 10) }))['y']?.data).toEqual(Float32Array.of(2, 30));
    await second.dispose();
    expect(tf.memory().numTensors).toBe(before);
  });

  it('keeps nothing of a step whose weights cannot all be read, and can try again', async () => {
    let broken = true;
    const engine = eagerEngine({
      ...{ kind: 'wasm', reason: 'test', backend: 'wasm' },
      load: () => (broken ? Promise.reject(new Error('the disk is gone')) : Promise.resolve(w)),
    });
    const stored: StoredTensor = { path: 'w', offset: 0, bytes: 8, dtype: 'F32', shape: [2] };
    const sum: Step = (_state, { x }, { a, b }) => ({ state: {}, out: { y: tf.add(tf.mul(x!, a!), b!) } });
    const both = { ...options, frozen: { a: unread, b: stored } };
    const before = tf.memory().numTensors;
    await expect(engine.compile(sum, both)).rejects.toThrow('the disk is gone');
    expect(tf.memory().numTensors).toBe(before);
    broken = false;
    const step = await engine.compile(sum, both);
    expect((await step({ x: Float32Array.of(1, 1) }))['y']?.data).toEqual(Float32Array.of(7, 10));
    await step.dispose();
    expect(tf.memory().numTensors).toBe(before);
  });
});
