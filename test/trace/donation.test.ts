import { describe, expect, it } from '@jest/globals';
import type { Step } from '../../src/engine/engine.js';
import { tf } from '../../src/engine/tf.js';
import { donatable } from '../../src/trace/donation.js';
import { trace } from '../../src/trace/trace.js';

function safe(step: Step): boolean {
  const { graph } = trace(step, {
    state: { w: { shape: [4] } },
    batch: { x: { shape: ['batch', 4] } },
    frozen: {},
  });
  return donatable(graph, new Map([['state/w', 'next/w']])).has('state/w');
}

describe('donatable', () => {
  it('lets a plain update happen in place', () => {
    expect(safe(({ w }, { x }) => ({ state: { w: tf.sub(w!, tf.sum(x!, 0)) }, out: {} }))).toBe(true);
  });
  it('refuses while somebody else may still read the old value', () => {
    expect(
      safe(({ w }, { x }) => ({ state: { w: tf.sub(w!, tf.sum(x!, 0)) }, out: { y: tf.mul(x!, w!) } })),
    ).toBe(false);
  });
  it('allows it once every reader must run before the writer', () => {
    expect(
      safe(({ w }, { x }) => {
        const y = tf.mul(x!, w!);
        return { state: { w: tf.sub(w!, tf.sum(y, 0)) }, out: { y } };
      }),
    ).toBe(true);
  });
  it('sees readers behind a reshape, which may share the memory', () => {
    expect(
      safe(({ w }, { x }) => ({
        state: { w: tf.sub(w!, tf.sum(x!, 0)) },
        out: { y: tf.exp(tf.reshape(w!, [2, 2])) },
      })),
    ).toBe(false);
  });
});
