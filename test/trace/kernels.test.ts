import { beforeAll, describe, expect, it } from '@jest/globals';
import type { Step, Tensors } from '../../src/engine/engine.js';
import { onnxEngine } from '../../src/engine/onnx.js';
import { sizeOf } from '../../src/engine/tensors.js';
import { tf } from '../../src/engine/tf.js';
import { stream } from '../../src/random.js';
import { traceBackend } from '../../src/trace/backend.js';
import { kernels } from '../../src/trace/kernels/table.js';
import { cases, type Case } from './cases.js';

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

/** The value, and the gradient of a weighted sum of it with respect to every input. */
const stepOf =
  ({ f, forwardOnly, inputs, gradientOf = Object.keys(inputs) }: Case): Step =>
  (_state, batch) => {
    const value = f({ ...batch });
    if (forwardOnly) return { state: {}, out: { value } };
    const loss = (...xs: tf.Tensor[]): tf.Scalar => {
      const y = f({ ...batch, ...Object.fromEntries(gradientOf.map((name, i) => [name, xs[i]!])) });
      return tf.sum(tf.mul(y, tf.sin(y)));
    };
    const gradients = tf.grads(loss)(gradientOf.map((name) => batch[name]!));
    const named = Object.fromEntries(gradientOf.map((name, i) => [`d${name}`, gradients[i]!]));
    return { state: {}, out: { value, ...named } };
  };

function feedsOf({ inputs, positive }: Case, batch: number): Record<string, Float32Array> {
  return Object.fromEntries(
    Object.entries(inputs).map(([name, shape]) => {
      const normals = stream(batch, name).normals(sizeOf(shape.map((d) => (d === 'batch' ? batch : d))));
      return [name, positive ? normals.map((x) => 0.5 + Math.abs(x)) : normals];
    }),
  );
}

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
