// What does one step of pretraining do? Forward, loss, gradients and update of a whole backbone, as one pure function.
import type { BackboneSpec } from '../backbones/backbone.js';
import { familyOf } from '../backbones/families.js';
import type { InputSpec, Step } from '../engine/engine.js';
import { tf } from '../engine/tf.js';
import { imageInput, queryInputs, queryOf } from '../exits/model.js';
import { runTo } from '../exits/run.js';
import { lossesAndGradients } from './gradients.js';
import { weightedError } from './loss.js';
import { part } from './state.js';
import { mixtureInputs, targetOf } from './target.js';
import { update, type UpdateOptions } from './update.js';

/** Inputs of a training step: the query, its noise, the weight of each sample, what to predict and the learning rate. */
export function trainingInputs(spec: BackboneSpec): Readonly<Record<string, InputSpec>> {
  return {
    ...queryInputs(spec),
    noise: imageInput(spec),
    lambda: { shape: ['batch'] },
    ...mixtureInputs(spec),
    lr: { shape: [] },
  };
}

/**
 * State: training/state.ts of the parameters that move. Frozen: the others (positions). Results: `loss`, and `norm`
 * of the gradients before clipping.
 * @throws Error if the spec has a learned variance: no config asks for one
 */
export function pretrainStep(spec: BackboneSpec, options: UpdateOptions): Step {
  if (spec.outChannels !== spec.channels)
    throw new Error('pretraining makes no backbone with a learned variance');
  return (state, batch, frozen) => {
    const { noise, lambda, lr } = batch;
    if (!noise || !lambda || !lr) throw new Error('a training step needs noise, lambda and lr');
    const query = queryOf(batch, spec);
    const target = targetOf(spec, query.x, noise, batch);
    const weights = part(state, 'w');
    const { losses, gradients } = lossesAndGradients(weights, tf.tensor1d([1]), (trained) => {
      const backbone = familyOf(spec).bind(spec, { ...frozen, ...trained });
      const prediction = runTo(backbone, { plans: [], weights: {} }, query, spec.depth);
      return tf.reshape(weightedError(prediction, target, lambda), [1]);
    });
    const { state: next, norm } = update(state, gradients, lr, options);
    return { state: next, out: { loss: tf.reshape(losses, []), norm } };
  };
}
