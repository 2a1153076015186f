// How do several exits share the blocks before them? One pass, cut where an exit leaves it: a stretch of blocks goes on
// from the state that the one before it left, and a head of its own makes that state a prediction.
import type { State } from '../backbones/backbone.js';
import { familyOf } from '../backbones/families.js';
import { asBoth, steered } from '../backbones/guidance.js';
import { stateOf, tensorsOf } from '../backbones/stateTensors.js';
import type { Step, Tensors } from '../engine/engine.js';
import { tf } from '../engine/tf.js';
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
    const before = from === 0 ? {} : joined(batch, isGuided);
    let state = from === 0 ? query() : stateOf(before);
    for (let k = from + 1; k <= to; k++) state = backbone.block(state, k);
    const changed = Object.entries(tensorsOf(state)).filter(([name, tensor]) => before[name] !== tensor);
    return { state: {}, out: apart(Object.fromEntries(changed), isGuided) };
  };
}

/** Takes the state after block k, if guided the scale, too; gives the `prediction` of exit k. */
export function leaveStep(
  { spec, plans }: Pick<Model, 'spec' | 'plans'>,
  k: number,
  isGuided: boolean,
): Step {
  return (_state, { scale, ...batch }, frozen) => {
    const backbone = familyOf(spec).bind(spec, frozen);
    const state = stateOf(joined(batch, isGuided));
    const prediction = predictionAt(backbone, { plans, weights: frozen }, state, k);
    if (!isGuided) return { state: {}, out: { prediction } };
    if (!scale) throw new Error('a guided step needs the scale');
    return { state: {}, out: { prediction: steered(spec, prediction, scale) } };
  };
}

/** [2, B, ...] as [2 B, ...]. */
function joined(tensors: Tensors, isGuided: boolean): Tensors {
  return isGuided ? reshaped(tensors, ([, , ...rest]) => [-1, ...rest]) : tensors;
}

/** [2 B, ...] as [2, B, ...]. */
function apart(tensors: Tensors, isGuided: boolean): Tensors {
  return isGuided ? reshaped(tensors, ([, ...rest]) => [2, -1, ...rest]) : tensors;
}

function reshaped(tensors: Tensors, shapeOf: (shape: readonly number[]) => number[]): Tensors {
  return Object.fromEntries(
    Object.entries(tensors).map(([name, tensor]) => [name, tf.reshape(tensor, shapeOf(tensor.shape))]),
  );
}
