// What are the inner products of all pairs of two sets of vectors? Rows come one by one: all at once may not fit the memory.
import { setImmediate } from 'node:timers/promises';
import { tf } from '../engine/tf.js';
import { judgeEngine } from './judgeEngine.js';

/** Products that are made at a time: 16 MB. */
const productsPerCall = 2 ** 22;

/**
 * Inner products of every vector of `a` with all of `b`, in single precision.
 * @param a [count, width]
 * @param b [other count, width]
 * @param see is shown them vector by vector of `a`, in order: [other count], good until it returns
 */
export async function forProducts(
  a: Float32Array,
  b: Float32Array,
  width: number,
  see: (i: number, products: Float32Array) => void,
): Promise<void> {
  const others = b.length / width;
  const rows = Math.max(1, Math.floor(productsPerCall / others));
  const step = await judgeEngine.compile(
    (_state, { x }, { y }) => {
      if (!x || !y) throw new Error('products: x is fed, y is frozen');
      return { state: {}, out: { products: tf.matMul(x, y, false, true) } };
    },
    {
      state: {},
      batch: { x: { shape: ['batch', width] } },
      frozen: { y: { shape: [others, width], data: b } },
    },
  );
  try {
    for (let from = 0; from * width < a.length; from += rows) {
      // Products take seconds where sets are large; here signals and drawings get their turn.
      await setImmediate();
      const { products } = await step({ x: a.subarray(from * width, (from + rows) * width) });
      const data = products?.data;
      if (!(data instanceof Float32Array)) throw new Error('products are floats');
      for (let i = 0; i * others < data.length; i++)
        see(from + i, data.subarray(i * others, (i + 1) * others));
    }
  } finally {
    await step.dispose();
  }
}
