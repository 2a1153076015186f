import { beforeAll, describe, expect, it } from '@jest/globals';
import type { Tensors } from '../../src/engine/engine.js';
import { onnxEngine } from '../../src/engine/onnx.js';
import { tf } from '../../src/engine/tf.js';
import { traceBackend } from '../../src/trace/backend.js';
import { kernels } from '../../src/trace/kernels/table.js';
import { cases } from './cases.js';
import { feedsOf, stepOf } from './caseSteps.js';

const recorded = new Set<string>();

beforeAll(async () => {
  await tf.setBackend('cpu');
  traceBackend();
  for (const kernelName of Object.keys(kernels)) {
    const kernel = tf.getKernel(kernelName, 'trace');
    tf.unregisterKernel(kernelName, 'trace');
    const kernelFunc: tf.KernelFunc = (call) => {
      recorded.add(kernelName);
      return kernel.kernelFunc(call);
    };
    tf.registerKernel({ ...kernel, kernelFunc });
  }
});

describe('kernels of the tracing backend', () => {
  it.each(cases.map((one) => [one.kernel, one] as const))(
    '%s gives the numbers and gradients of the reference backend at two batch sizes',
    async (kernel, one) => {
      recorded.clear();
      const batch = Object.fromEntries(Object.entries(one.inputs).map(([name, shape]) => [name, { shape }]));
      const engine = onnxEngine({ threads: 1, reason: 'test' });
      const compiled = await engine.compile(stepOf(one), { state: {}, batch, frozen: {} });
      expect([...recorded]).toContain(kernel);
      for (const size of [1, 5]) {
        const feeds = feedsOf(one, size);
        const actual = await compiled(feeds);
        const inputs: Tensors = Object.fromEntries(
          Object.entries(one.inputs).map(([name, shape]) => [
            name,
            tf.tensor(
              feeds[name]!,
              shape.map((d) => (d === 'batch' ? size : d)),
            ),
          ]),
        );
        const expected = tf.tidy(() => stepOf(one)({}, inputs, {}).out);
        for (const [name, x] of Object.entries(expected)) {
          const numbers = [...x.dataSync()];
          expect(actual[name]?.shape).toEqual(x.shape);
          expect(actual[name]?.data).toBeAllClose(numbers, 2e-6 * Math.max(10, ...numbers.map(Math.abs)));
        }
        tf.dispose(expected);
        tf.dispose(inputs);
      }
      await compiled.dispose();
    },
  );

  it('has a case for every kernel in the table', () => {
    expect(new Set(cases.map(({ kernel }) => kernel))).toEqual(new Set(Object.keys(kernels)));
  });
});
