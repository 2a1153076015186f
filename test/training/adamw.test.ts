import { beforeAll, describe, expect, it } from '@jest/globals';
import { eagerEngine } from '../../src/engine/eager.js';
import type { Engine, Step } from '../../src/engine/engine.js';
import { onnxEngine } from '../../src/engine/onnx.js';
import { tf } from '../../src/engine/tf.js';
import { stream } from '../../src/random.js';
import { adamwStep } from '../../src/training/adamw.js';
import { initialState, named, part } from '../../src/training/state.js';
import { referenceAdamw } from './reference.js';

const base = { beta1: 0.9, beta2: 0.999, eps: 1e-8, weightDecay: 0, clip: 0 };
const cpu = eagerEngine({
  kind: 'wasm',
  reason: 'test',
  backend: 'cpu',
  load: () => Promise.reject(new Error('nothing is stored here')),
});
const onnx = onnxEngine({ threads: 1, reason: 'test' });

beforeAll(() => tf.setBackend('cpu'));

/** Six steps on a [3, 4] matrix and a bias of 4, on given gradients; weights, moments and norms after each. */
async function run(engine: Engine, options: typeof base) {
  const all = stream(0, 'w').normals(16);
  const weights = {
    matrix: { shape: [3, 4], data: all.slice(0, 12) },
    bias: { shape: [4], data: all.slice(12) },
  };
  const step: Step = (state, { matrix, bias, lr }) => {
    const next = adamwStep(part(state, 'w'), state, { matrix: matrix!, bias: bias! }, lr!, options);
    const ema = named('ema', part(state, 'ema'));
    return { state: { ...named('w', next.weights), ...next.moments, ...ema }, out: { norm: next.norm } };
  };
  const compiled = await engine.compile(step, {
    state: initialState(weights),
    batch: { matrix: { shape: [3, 4] }, bias: { shape: [4] }, lr: { shape: [] } },
    frozen: {},
  });
  let expected = { w: [...all], m: Array<number>(16).fill(0), v: Array<number>(16).fill(0), step: 0 };
  for (let n = 0; n < 6; n++) {
    const g = stream(n, 'gradient').normals(16);
    const lr = Math.fround(0.1 / (n + 1));
    const out = await compiled({ matrix: g.slice(0, 12), bias: g.slice(12), lr });
    const after = referenceAdamw(expected, [...g], { lr, ...options });
    expected = after;
    const state = await compiled.read();
    const flat = (name: 'w' | 'm' | 'v') => [
      ...state[`${name}.matrix`]!.data,
      ...state[`${name}.bias`]!.data,
    ];
    expect(flat('w')).toBeAllClose(after.w, 1e-6);
    expect(flat('m')).toBeAllClose(after.m, 1e-6);
    expect(flat('v')).toBeAllClose(after.v, 1e-6);
    expect(state['step']!.data[0]).toBe(n + 1);
    expect(out['norm']!.data[0]).toBeCloseTo(after.norm, 5);
  }
  await compiled.dispose();
}

describe('adamwStep', () => {
  it.each([
    ['as it is', base],
    ['with decay', { ...base, weightDecay: 0.1 }],
    ['with clipping, which the gradients here always reach', { ...base, clip: 0.5 }],
    ['without a memory of the gradient', { ...base, beta1: 0 }],
    ['with a clip above every norm', { ...base, clip: 100 }],
    ['with decay, clipping and other betas', { ...base, beta1: 0.8, beta2: 0.95, weightDecay: 0.3, clip: 1 }],
  ])('follows AdamW in double precision, %s', async (_, options) => {
    await run(cpu, options);
    await run(onnx, options);
  });
  it('takes a first step of lr in the direction of each gradient, whatever its size', () => {
    const g = [1e-3, -5, 200];
    const gradients = { w: tf.tensor1d(g) };
    const zeros = tf.zeros([3]);
    const { weights } = adamwStep(
      { w: zeros },
      { 'm.w': zeros, 'v.w': zeros, step: tf.scalar(0) },
      gradients,
      tf.scalar(0.01),
      base,
    );
    const expected = g.map((x) => (-0.01 * x) / (Math.abs(x) + base.eps));
    expect(weights['w']!.dataSync()).toBeAllClose(expected, 5e-9);
  });
  it('stands still where all gradients are zero, clipped or not', () => {
    const zeros = tf.zeros([3]);
    const w = tf.tensor1d([1, -2, 3]);
    const moments = { 'm.w': zeros, 'v.w': zeros, step: tf.scalar(0) };
    const { weights, norm } = adamwStep({ w }, moments, { w: zeros }, tf.scalar(0.01), { ...base, clip: 1 });
    expect(weights['w']!.dataSync()).toBeAllClose([1, -2, 3], 0);
    expect(norm.dataSync()[0]).toBe(0);
  });
  it('names what is missing', () => {
    const one = tf.scalar(1);
    expect(() => adamwStep({ w: one }, { step: one, 'm.w': one }, { w: one }, one, base)).toThrow("'v.w'");
    expect(() => adamwStep({ w: one }, { step: one }, {}, one, base)).toThrow("'w' is missing");
  });
});
