// How is an exit asked how wrong it will be, between two stretches of a pass? A step of its own on the state there.
import type { BackboneSpec } from '../backbones/backbone.js';
import { tf } from '../engine/tf.js';
import type { InputSpec, Step } from '../engine/engine.js';
import type { HostTensors } from '../engine/tensors.js';
import { macsOf } from '../trace/trace.js';
import { uncertaintyAt, type Uncertainty } from './uncertainty.js';

/** Inputs of `askStep`: the tokens after block k, guided of both halves, and diffusion steps. */
export function askInputs(
  { tokens, width }: BackboneSpec,
  isGuided: boolean,
): Readonly<Record<string, InputSpec>> {
  return {
    hidden: { shape: isGuided ? [2, 'batch', tokens, width] : ['batch', tokens, width] },
    t: { shape: ['batch'] },
  };
}

/**
 * Gives `uncertainty`, [B]. Guided, it is the mean of both halves: they leave together.
 */
export function askStep(
  { tokens, width }: BackboneSpec,
  plan: Uncertainty,
  exit: number,
  isGuided: boolean,
): Step {
  return (_state, { hidden, t }, frozen) => {
    if (!hidden || !t) throw new Error('an exit is asked with its tokens and t');
    const all = tf.reshape<tf.Rank.R3>(hidden, [-1, tokens, width]);
    const times = isGuided ? tf.concat1d([t.as1D(), t.as1D()]) : t.as1D();
    const said = uncertaintyAt(plan, exit, frozen, { hidden: all }, times);
    return { state: {}, out: { uncertainty: isGuided ? tf.mean(tf.reshape(said, [2, -1]), 0) : said } };
  };
}

/** Multiply-adds of asking exit k about one sample. */
export function askMacs(spec: BackboneSpec, plan: Uncertainty, exit: number, weights: HostTensors): number {
  return macsOf(askStep(spec, plan, exit, false), {
    state: {},
    batch: askInputs(spec, false),
    frozen: weights,
  });
}
