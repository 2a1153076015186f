// Queries in tests: of labels, and some samples of a larger one.
import type { Prompt, Query } from '../src/backbones/backbone.js';
import { tf } from '../src/engine/tf.js';

/** A query for classes. @param y int32 [B] */
export function labelQuery(x: tf.Tensor4D, t: tf.Tensor1D, y: tf.Tensor1D): Query {
  return { x, t, prompt: { kind: 'label', y } };
}

/** Samples `from` to `from + count - 1`. */
export function someOf({ x, t, prompt }: Query, from: number, count = 1): Query {
  return {
    x: tf.slice(x, from, count),
    t: tf.slice(t, from, count),
    prompt: someOfPrompt(prompt, from, count),
  };
}

function someOfPrompt(prompt: Prompt, from: number, count: number): Prompt {
  switch (prompt.kind) {
    case 'label':
      return { kind: 'label', y: tf.slice(prompt.y, from, count) };
    case 'caption':
      return {
        kind: 'caption',
        tokens: tf.slice(prompt.tokens, from, count),
        mask: tf.slice(prompt.mask, from, count),
      };
  }
}
