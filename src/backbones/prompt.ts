// What does a prompt say? Each family takes one kind of it; another is our bug, for the spec says which.
import { tf } from '../engine/tf.js';
import { unreachable } from '../errors.js';
import type { Prompt } from './backbone.js';

type Caption = Extract<Prompt, { kind: 'caption' }>;

/** Class labels, int32 [B]. */
export function labelsIn(prompt: Prompt): tf.Tensor1D {
  if (prompt.kind !== 'label') throw new Error('a backbone that is told a class was given a caption');
  return prompt.y;
}

/** Embedded captions and their masks. */
export function captionIn(prompt: Prompt): Caption {
  if (prompt.kind !== 'caption') throw new Error('a backbone that is told a caption was given a class');
  return prompt;
}

/** The prompts of two batches, one after the other. @param second of one sample, or of as many as the first */
export function promptsOfBoth(first: Prompt, second: Prompt): Prompt {
  switch (first.kind) {
    case 'label':
      return { kind: 'label', y: tf.concat([first.y, alike(labelsIn(second), first.y)]) };
    case 'caption': {
      const { tokens, mask } = captionIn(second);
      return {
        kind: 'caption',
        tokens: tf.concat([first.tokens, alike(tokens, first.tokens)]),
        mask: tf.concat([first.mask, alike(mask, first.mask)]),
      };
    }
    default:
      return unreachable(first);
  }
}

/** One sample for each of another batch. */
function alike<T extends tf.Tensor>(one: T, batch: T): T {
  return tf.add(tf.zerosLike(batch), one);
}
