import { spawnSync } from 'node:child_process';
import { beforeAll, describe, expect, it } from '@jest/globals';
import type { Engine, Step } from '../../src/engine/engine.js';
import { engines } from '../../src/engine/engines.js';
import { autoChoice, pickEngine } from '../../src/engine/pick.js';
import { tf } from '../../src/engine/tf.js';
import { stream } from '../../src/random.js';
import { besideOnnx, computesLikeOnnx, expectSamplingLikeOnnx, expectTrainingLikeOnnx } from './likeOnnx.js';
import { describeOn } from './present.js';

/** A program that computes something on the device and leaves it open. */
const useWebgpu = `
  import { pickEngine } from './src/engine/pick.js';
  const engine = await pickEngine({ kind: 'webgpu', threads: 0 });
  const step = (state, { x }) => ({ state: {}, out: { y: x.add(0.5) } });
  const compiled = await engine.compile(step, { state: {}, batch: { x: { shape: [] } }, frozen: {} });
  console.log((await compiled({ x: 1 })).y.data[0]);
`;

await describeOn('webgpu', 'the engine webgpu', () => {
  let engine: Engine;
  beforeAll(async () => {
    engine = await pickEngine({ kind: 'webgpu', threads: 0 });
  });

  computesLikeOnnx(() => engine);

  it('is not what auto takes where its adapter is software', async () => {
    const found = await engines.webgpu.probe();
    const isGpu = found.usable && found.isSoftware !== true;
    expect(['cuda', isGpu ? 'webgpu' : 'onnx']).toContain((await autoChoice()).kind);
  });

  it('names its device, and leaves the process without a navigator that has a GPU', () => {
    expect(engine.device).toMatch(/\S/);
    expect((globalThis as { navigator?: { gpu?: unknown } }).navigator?.gpu).toBeUndefined();
  });

  describe("kernels that take the place of the backend's", () => {
    it.each([
      [3, 5],
      [40, 70],
      [100, 90],
    ])('multiply long factors into %d x %d, transposed or not, the same each time', async (rows, columns) => {
      const length = 2000;
      // The products of a linear layer and of its two gradients.
      for (const [transposeA, transposeB] of [
        [false, true],
        [false, false],
        [true, false],
      ] as const) {
        const shapes = {
          a: transposeA ? [length, rows] : [rows, length],
          b: transposeB ? [columns, length] : [length, columns],
          bias: [columns],
        };
        const step: Step = (_state, { a, b, bias }) => {
          if (!a || !b || !bias) throw new Error('a product has two factors and a bias');
          const product = tf.fused.matMul({ a, b, bias, transposeA, transposeB });
          return {
            state: {},
            out: { product, again: tf.fused.matMul({ a, b, bias, transposeA, transposeB }) },
          };
        };
        const feeds = Object.fromEntries(
          Object.entries(shapes).map(([name, [m = 1, n = 1]]) => [name, stream(0, name).normals(m * n)]),
        );
        const [actual, expected] = await besideOnnx(engine, step, feeds, shapes);
        expect(actual['product']?.data).toBeAllClose([...(expected['product']?.data ?? [])], 5e-4);
        expect(actual['again']?.data).toEqual(actual['product']?.data);
      }
    });

    it('add more terms than a shader sees buffers', async () => {
      const step: Step = (_state, { x }) => {
        if (!x) throw new Error('a term is missing');
        return { state: {}, out: { sum: tf.addN(tf.unstack(x)) } };
      };
      const feeds = { x: stream(0, 'x').normals(20 * 3) };
      const [actual, expected] = await besideOnnx(engine, step, feeds, { x: [20, 3] });
      expect(actual['sum']?.data).toBeAllClose([...(expected['sum']?.data ?? [])], 2e-5);
    });

    it('find the sine and cosine of any angle that an embedding of times has', async () => {
      const step: Step = (_state, { x }) => {
        if (!x) throw new Error('an angle is missing');
        return { state: {}, out: { sin: tf.sin(x), cos: tf.cos(x) } };
      };
      const x = Float32Array.from({ length: 4001 }, (_, i) => (i - 2000) / 1.9);
      const [actual] = await besideOnnx(engine, step, { x }, { x: [x.length] });
      expect(actual['sin']?.data).toBeAllClose([...x].map(Math.sin), 3e-7);
      expect(actual['cos']?.data).toBeAllClose([...x].map(Math.cos), 3e-7);
    });

    it('keep the digits of a small hyperbolic tangent', async () => {
      const step: Step = (_state, { x }) => {
        if (!x) throw new Error('a number is missing');
        return { state: {}, out: { ratio: tf.div(tf.tanh(x), x) } };
      };
      const x = Float32Array.from({ length: 1500 }, (_, i) => (i % 2 ? 1 : -1) * 10 ** (-6 + i / 200));
      const [actual] = await besideOnnx(engine, step, { x }, { x: [x.length] });
      expect(actual['ratio']?.data).toBeAllClose(
        [...x].map((v) => Math.tanh(v) / v),
        1e-6,
      );
    });

    it('sum rows by segment the same each time, whatever their number', async () => {
      const shapes = { x: [3000, 7], at: [3000] };
      const step: Step = (_state, { x, at }) => {
        if (!x || !at) throw new Error('rows and segments are missing');
        const sum = (): tf.Tensor => tf.unsortedSegmentSum(x, tf.cast(at, 'int32').as1D(), 5);
        return { state: {}, out: { sum: sum(), again: sum() } };
      };
      const at = Float32Array.from(stream(0, 'at').normals(3000), (v) => Math.floor(Math.abs(v) * 2) % 5);
      const feeds = { x: stream(0, 'x').normals(3000 * 7), at };
      const [actual, expected] = await besideOnnx(engine, step, feeds, shapes);
      expect(actual['sum']?.data).toBeAllClose([...(expected['sum']?.data ?? [])], 1e-4);
      expect(actual['again']?.data).toEqual(actual['sum']?.data);
    });
  });

  it('keeps no tensor', async () => {
    await expect(() => expectTrainingLikeOnnx(engine, 5e-6)).toKeepTensorCount();
  });

  it.each([
    ['nothing more', 0],
    ['an exit in the middle of a step', 3],
    ['an error that nobody catches', 1],
  ])('lets the process end after %s', (ending, code) => {
    const last = {
      0: "console.log('end')",
      1: "void compiled({ x: 1 }); throw new Error('thrown at the end')",
      3: 'void compiled({ x: 1 }); process.exit(3)',
    }[code];
    const { status, signal, stdout } = spawnSync(
      process.execPath,
      ['--import', 'tsx', '--input-type=module', '-e', `${useWebgpu}${last}`],
      { encoding: 'utf8', timeout: 50_000 },
    );
    expect([ending, status, signal]).toEqual([ending, code, null]);
    expect(stdout).toBe(code === 0 ? '1.5\nend\n' : '1.5\n');
  });

  it('throws where the device fails, instead of returning what is left, and works on', async () => {
    const step: Step = (_state, { x }) => {
      if (!x) throw new Error('a number is missing');
      // Twice what any buffer of this device holds.
      const large = tf.tile(tf.mul(tf.ones([2 ** 12]), x), [2 ** 19]);
      return { state: {}, out: { sum: tf.sum(large) } };
    };
    const compiled = await engine.compile(step, { state: {}, batch: { x: { shape: [1] } }, frozen: {} });
    await expect(compiled({ x: Float32Array.of(1) })).rejects.toThrow('engine webgpu: ');
    await compiled.dispose();
    await expectSamplingLikeOnnx(engine, 2e-5);
  });
});
