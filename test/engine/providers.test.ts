import { beforeAll, describe, expect, it } from '@jest/globals';
import { engineLine, type CompiledStep, type Engine, type Step } from '../../src/engine/engine.js';
import { requireListed, requireRight } from '../../src/engine/ortProvider.js';
import { pickEngine } from '../../src/engine/pick.js';
import { providerRefusal } from '../../src/engine/providers.js';
import { tf } from '../../src/engine/tf.js';
import { messageOf, UserError } from '../../src/errors.js';
import { onnx } from '../training/tiny.js';
import { computesLikeOnnx, expectSamplingLikeOnnx } from './likeOnnx.js';
import { describeOnProvider } from './present.js';

/** The engine, with results that are made something else. */
const bent = (bend: (value: number) => number): Engine => ({
  ...onnx,
  compile: async (step, options) => {
    const compiled = await onnx.compile(step, options);
    const call = async (feeds: Parameters<CompiledStep>[0]) => {
      const results = await compiled(feeds);
      for (const { data } of Object.values(results)) data.forEach((value, i) => (data[i] = bend(value)));
      return results;
    };
    return Object.assign(call, {
      macs: compiled.macs,
      read: () => compiled.read(),
      dispose: () => compiled.dispose(),
    });
  },
});

describe('execution providers', () => {
  it('go with onnx and auto alone', async () => {
    for (const kind of ['onnx', 'auto'] as const)
      expect(providerRefusal({ kind, provider: 'cuda' })).toBeUndefined();
    expect(providerRefusal({ kind: 'wasm', provider: 'cpu' })).toBeUndefined();
    const refused = pickEngine({ kind: 'wasm', threads: 1, provider: 'cuda' });
    await expect(refused).rejects.toThrow(
      new UserError(
        'engine.provider: found cuda, but engine.kind is wasm, and only onnx has providers; set engine.kind to onnx, or remove this',
      ),
    );
  });

  it('are refused where onnxruntime does not have them, with those that it has', () => {
    const listed = [{ name: 'cpu' }, { name: 'webgpu' }];
    expect(() => requireListed('webgpu', listed)).not.toThrow();
    expect(() => requireListed('coreml', listed)).toThrow(
      `engine.provider: found coreml, but onnxruntime has cpu, webgpu on ${process.platform} ${process.arch}. It is there on macOS alone.`,
    );
  });

  it('are refused where they cannot compute, before any work', async () => {
    const failing: Engine = { ...onnx, compile: () => Promise.reject(new Error('no shared library')) };
    await expect(requireRight('cuda', failing)).rejects.toThrow(
      /^engine.provider: found cuda, which does not run here: no shared library\n.*ONNXRUNTIME_NODE_INSTALL=true node/,
    );
  });

  it('are refused where they compute wrongly', async () => {
    await expect(requireRight('webgpu', onnx)).resolves.toBeUndefined();
    const wrong = /^engine.provider: found webgpu, which computes wrongly here/;
    await expect(
      requireRight(
        'webgpu',
        bent((value) => value + 0.01),
      ),
    ).rejects.toThrow(wrong);
    await expect(
      requireRight(
        'webgpu',
        bent(() => NaN),
      ),
    ).rejects.toThrow(wrong);
  });

  it('of CUDA compute, or say how to get them', async () => {
    const opened = await pickEngine({ kind: 'onnx', threads: 1, provider: 'cuda' }).catch(
      (error: unknown) => error,
    );
    if (opened instanceof Error) {
      expect(opened).toBeInstanceOf(UserError);
      expect(messageOf(opened)).toMatch(
        /^engine.provider: found cuda, (but onnxruntime has|which does not run here)/,
      );
    } else await expectSamplingLikeOnnx(opened as Engine, 1e-3);
  });
});

await describeOnProvider('webgpu', "onnxruntime's provider webgpu", () => {
  let engine: Engine;
  beforeAll(async () => {
    engine = await pickEngine({ kind: 'auto', threads: 0, provider: 'webgpu' });
  });

  it('is said in the first line of a run', () => {
    expect(engineLine(engine)).toBe(
      "engine onnx on onnxruntime's provider webgpu: the one engine with the provider webgpu",
    );
  });

  it('keeps the digits of angles and of a small hyperbolic tangent', async () => {
    const step: Step = (_state, { angle, small }) => {
      if (!angle || !small) throw new Error('an input is missing');
      return {
        state: {},
        out: { sin: tf.sin(angle), cos: tf.cos(angle), ratio: tf.div(tf.tanh(small), small) },
      };
    };
    const angle = Float32Array.from({ length: 401 }, (_, i) => (i - 200) * 5);
    const compiled = await engine.compile(step, {
      state: {},
      batch: { angle: { shape: [angle.length] }, small: { shape: [] } },
      frozen: {},
    });
    const { sin, cos, ratio } = await compiled({ angle, small: 5e-5 });
    await compiled.dispose();
    expect(sin?.data).toBeAllClose([...angle].map(Math.sin), 3e-7);
    expect(cos?.data).toBeAllClose([...angle].map(Math.cos), 3e-7);
    expect(ratio?.data).toBeAllClose([1], 1e-6);
  });

  computesLikeOnnx(() => engine);
});
