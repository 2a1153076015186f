import { describe, expect, it } from '@jest/globals';
import type { CompiledStep, Engine } from '../../src/engine/engine.js';
import { ditSpec } from '../../src/backbones/spec.js';
import { checkEngine } from '../../src/evaluate/checkEngine.js';
import { engineSpeed } from '../../src/evaluate/engineSpeed.js';
import { eager, onnx } from '../training/tiny.js';

/** An engine whose results pass through a function. */
function spoilt(spoil: (name: string, data: Float32Array | Int32Array) => void): Engine {
  return {
    ...onnx,
    async compile(step, options) {
      const compiled = await onnx.compile(step, options);
      const run = async (...given: Parameters<CompiledStep>) => {
        const out = await compiled(...given);
        for (const [name, { data }] of Object.entries(out)) spoil(name, data);
        return out;
      };
      return Object.assign(run, {
        macs: compiled.macs,
        read: () => compiled.read(),
        dispose: () => compiled.dispose(),
      });
    },
  };
}

describe('the check of an engine', () => {
  it('finds onnx and wasm right, each against the other', async () => {
    const heard: string[] = [];
    const results = await checkEngine(onnx, eager, ({ name }) => heard.push(name));
    expect(results.map(({ name }) => name)).toEqual(heard);
    expect(results.length).toBeGreaterThan(3);
    for (const { difference, isRight } of results) {
      expect(isRight).toBe(true);
      expect(difference).toBeLessThan(1e-5);
    }
  });

  it('finds one number that is a thousandth off, and one that is none', async () => {
    const off = spoilt((name, data) => {
      if (name === 'loss') data[0] = (data[0] ?? 0) * 1.001;
    });
    expect((await checkEngine(off, onnx)).map(({ isRight }) => isRight)).toEqual([false, false, true, false]);
    const none = spoilt((_name, data) => {
      data[data.length - 1] = NaN;
    });
    for (const { isRight, difference } of await checkEngine(none, onnx))
      expect({ isRight, difference }).toEqual({ isRight: false, difference: Infinity });
  });

  it('says why a case did not run', async () => {
    const broken: Engine = {
      ...onnx,
      compile: () => Promise.reject(new Error("Kernel 'X' is not registered")),
    };
    for (const { isRight, failure } of await checkEngine(broken, onnx))
      expect({ isRight, failure }).toEqual({ isRight: false, failure: "Kernel 'X' is not registered" });
  });
});

describe('the speed of an engine', () => {
  const spec = ditSpec({
    input_size: 8,
    patch_size: 4,
    in_channels: 1,
    hidden_size: 16,
    depth: 2,
    num_heads: 2,
    mlp_ratio: 2,
    num_classes: 3,
    learn_sigma: false,
  });

  it('is measured at products, a sampling step and a training step', async () => {
    const { signal } = new AbortController();
    const results = await engineSpeed(onnx, { signal, seconds: 0, spec, sides: [64] });
    expect(results.map(({ name }) => name)).toEqual([
      'product of 64 x 64',
      expect.stringMatching(/^sampling step, 2 blocks of width 16, batch \d+$/),
      'training step of 1 heads on it',
    ]);
    const [product] = results;
    // Eight products, each of 64^3 multiply-adds.
    expect((product?.gflops ?? 0) * (product?.seconds ?? 0)).toBeCloseTo((8 * 2 * 64 ** 3) / 1e9, 10);
    for (const { seconds, calls, gflops } of results) {
      expect(seconds).toBeGreaterThan(0);
      expect(gflops).toBeGreaterThan(0);
      expect(calls).toBe(1);
    }
  });

  it('stops where it is told to', async () => {
    const options = { signal: AbortSignal.abort(), seconds: 0, spec, sides: [64] };
    expect(await engineSpeed(onnx, options)).toEqual([]);
  });
});
