// How do several exits share the blocks before them? One pass, cut where an exit leaves it: a stretch of blocks goes on
// from the state that the one before it left, and a head of its own makes that state a prediction.
import type { State } from '../backbones/backbone.js';
import { familyOf } from '../backbones/families.js';
import { asBoth, steered } from '../backbones/guidance.js';
import { stateOf, tensorsOf } from '../backbones/stateTensors.js';
import type { Step } from '../engine/engine.js';
import type { tf } from '../engine/tf.js';
import { apart, joined } from './halves.js';
import { memoryIn, residualName, residualOf } from './memory.js';
import { queryOf, type Model } from './model.js';
import { nonePrompt } from './prompts.js';
import { predictionAt } from './run.js';

/** Blocks `from` + 1 to `to`; from 0 on, the query is embedded first. */
export interface Stretch {
  readonly from: number;
  readonly to: number;
}

/**
 * Takes a query, or the state after block `from`; gives what of the state has changed after block `to`. Nothing in a state
 * becomes invalid, so the state is all that was given so far, the last of each name.
 * Guided, both halves of the batch stand in a dimension of their own, [2, B, ...].
 */
export function stretchStep({ spec }: Pick<Model, 'spec'>, { from, to }: Stretch, isGuided: boolean): Step {
  return (_state, batch, frozen) => {
    const backbone = familyOf(spec).bind(spec, frozen);
    const query = (): State => {
      const asked = queryOf(batch, spec);
      return backbone.embed(isGuided ? asBoth(asked, nonePrompt(batch, spec)) : asked);
    };
    const before = from === 0 ? {} : isGuided ? joined(batch) : batch;
    let state = from === 0 ? query() : stateOf(before);
    for (let k = from + 1; k <= to; k++) state = backbone.block(state, k);
    const changed = Object.entries(tensorsOf(state)).filter(([name, tensor]) => before[name] !== tensor);
    const out = Object.fromEntries(changed);
    return { state: {}, out: isGuided ? apart(out) : out };
  };
}

/** Takes the state after block k, if guided the scale, if it remembers its memory; gives the `prediction` of exit k. */
export function leaveStep(
  { spec, plans, guidedChannels }: Pick<Model, 'spec' | 'plans' | 'guidedChannels'>,
  k: number,
  isGuided: boolean,
): Step {
  return (_state, { scale, residual, t, tFull, ...tensors }, frozen) => {
    const backbone = familyOf(spec).bind(spec, frozen);
    const state = stateOf(isGuided ? joined(tensors) : tensors);
    const memory = residual && t && tFull ? memoryIn({ residual, t, tFull }, spec, isGuided) : undefined;
    const prediction = predictionAt(backbone, { plans, weights: frozen }, state, k, memory);
    if (!isGuided) return { state: {}, out: { prediction } };
    if (!scale) throw new Error('a guided step needs the scale');
    return { state: {}, out: { prediction: steered(spec, prediction, scale, guidedChannels) } };
  };
}

/** Takes the state after block k, and as `deepest` the tokens after block L; gives the `residual` of exit k. */
export function residualStep({ spec }: Pick<Model, 'spec'>, k: number, isGuided: boolean): Step {
  return (_state, batch, frozen) => {
    const backbone = familyOf(spec).bind(spec, frozen);
    const { deepest, ...tensors } = isGuided ? joined(batch) : batch;
    if (!deepest) throw new Error('a residual needs the tokens after the last block');
    const state = stateOf(tensors);
    const out = {
      [residualName(k)]: residualOf(backbone, state, { ...state, hidden: deepest as tf.Tensor3D }, k),
    };
    return { state: {}, out: isGuided ? apart(out) : out };
  };
}
