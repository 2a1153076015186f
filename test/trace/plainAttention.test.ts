import { expect, it } from '@jest/globals';
import { multiHeadAttention } from '../../src/backbones/attention.js';
import type { Step } from '../../src/engine/engine.js';
import { tf } from '../../src/engine/tf.js';
import { plainAttention } from '../../src/trace/plainAttention.js';
import { trace } from '../../src/trace/trace.js';

it('attention is spelt out under the same names, with the same multiply-adds', () => {
  const step: Step = (_state, { q, k, v }) => {
    if (!q || !k || !v) throw new Error('attention has three inputs');
    const y = multiHeadAttention(q as tf.Tensor3D, k as tf.Tensor3D, v as tf.Tensor3D, 2);
    return { state: {}, out: { y: tf.neg(y) } };
  };
  const input = { shape: ['batch', 5, 6] as const };
  const { graph } = trace(step, { state: {}, batch: { q: input, k: input, v: input }, frozen: {} });
  const ops = () => graph.live().map(({ op }) => op);
  const macs = graph.macsPerSample();
  expect(ops()).toEqual(['MultiHeadAttention', 'Neg']);
  plainAttention(graph);
  expect(ops().filter((op) => op === 'MatMul')).toHaveLength(2);
  expect(ops().at(-1)).toBe('Neg');
  expect(ops()).not.toContain('MultiHeadAttention');
  expect(graph.macsPerSample()).toBe(macs);
});
