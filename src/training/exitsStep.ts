// What does one step of training a backbone at its exits do? Every sample leaves at the exit of its time, as in ASE.
import type { Backbone, BackboneSpec, Query } from '../backbones/backbone.js';
import { epsilonOf, varianceOf } from '../backbones/channels.js';
import { familyOf } from '../backbones/families.js';
import type { InputSpec, Step, Tensors } from '../engine/engine.js';
import { tf } from '../engine/tf.js';
import type { HeadPlan } from '../exits/heads.js';
import { queryOf } from '../exits/model.js';
import { predictionAt, type Heads } from '../exits/run.js';
import { rowsOfAll, stateOfRows } from '../exits/samples.js';
import type { ExitGroup } from './exitGroups.js';
import { lossesAndGradients } from './gradients.js';
import { errorOf } from './loss.js';
import { trainingInputs } from './pretrainStep.js';
import { part } from './state.js';
import { epsilonSeen, targetOf } from './target.js';
import { update, type UpdateOptions } from './update.js';
import { boundInputs, variationalBound } from './variance.js';

/**
 * Inputs of `exitsStep`: those of any training step, the `exit` of every sample, and where the variance is learned those of
 * its bound. The number of samples is fixed where groups are.
 */
export function exitsInputs(
  spec: BackboneSpec,
  batch: number | 'batch',
): Readonly<Record<string, InputSpec>> {
  const inputs: Readonly<Record<string, InputSpec>> = {
    ...trainingInputs(spec),
    exit: { shape: ['batch'] },
    ...(learnsVariance(spec) && boundInputs),
  };
  return Object.fromEntries(
    Object.entries(inputs).map(([name, { shape, ...rest }]) => [
      name,
      { ...rest, shape: shape.map((size) => (size === 'batch' ? batch : size)) },
    ]),
  );
}

/** Whether the second half of a backbone's channels is a variance. */
export function learnsVariance({ channels, outChannels }: BackboneSpec): boolean {
  return outChannels === 2 * channels;
}

export interface GroupPrediction extends ExitGroup {
  /** Of its samples, [to - from, outChannels, H, W]. */
  readonly prediction: tf.Tensor4D;
}

/**
 * What every group predicts. Block k runs for samples 0 to `to` - 1 of the next exit, and for no others.
 * @param query of all samples, the deepest first
 * @param groups exits ascending; the first takes all samples
 */
export function predictionsByGroup(
  backbone: Backbone,
  heads: Heads,
  query: Query,
  groups: readonly ExitGroup[],
): readonly GroupPrediction[] {
  let state = backbone.embed(query);
  let k = 0;
  return groups.map((group) => {
    const { exit, from, to } = group;
    state = stateOfRows(state, 0, to);
    while (k < exit) state = backbone.block(state, ++k);
    return { ...group, prediction: predictionAt(backbone, heads, stateOfRows(state, from, to - from), exit) };
  });
}

/**
 * loss = mean_i lambda_i (|target_i - prediction_i|^2 + bound_i): the mean of squares over elements, and for a learned variance
 * the variational bound (training/variance.ts), both of what the exit of sample i predicts. That is the loss of ASE (Moon et
 * al., "A Simple Early Exiting Framework for Accelerated Sampling in Diffusion Models", ICML 2024) in its code, where
 * every sample is given to the last layer as it is after the block at which its time leaves.
 *
 * State: training/state.ts of all that moves. Frozen: the rest. Results: `loss`, and `norm` of the gradients before clipping.
 * @param weightsOf the weights of backbone and heads, of what is frozen and what moves
 */
export function exitsStep(
  spec: BackboneSpec,
  plans: readonly HeadPlan[],
  groups: readonly ExitGroup[],
  weightsOf: (frozen: Tensors, trained: Tensors) => Tensors,
  options: UpdateOptions,
): Step {
  return (state, batch, frozen) => {
    const { lr, ...samples } = batch;
    if (!lr) throw new Error('a training step needs lr');
    const query = queryOf(samples, spec);
    const { losses, gradients } = lossesAndGradients(part(state, 'w'), tf.tensor1d([1]), (trained) => {
      const weights = weightsOf(frozen, trained);
      const backbone = familyOf(spec).bind(spec, weights);
      const each = predictionsByGroup(backbone, { plans, weights }, query, groups).map(
        ({ exit, from, to, prediction }) =>
          groupError(spec, prediction, exit, rowsOfAll(samples, from, to - from)),
      );
      return tf.reshape(tf.div(tf.addN(each), query.x.shape[0]), [1]);
    });
    const { state: next, norm } = update(state, gradients, lr, options);
    return { state: next, out: { loss: tf.reshape(losses, []), norm } };
  };
}

/** Sum of the weighted errors of those samples that leave at this exit. @param samples the group's rows of the inputs */
function groupError(spec: BackboneSpec, prediction: tf.Tensor4D, exit: number, samples: Tensors): tf.Tensor {
  const { x, noise, lambda, exit: own } = samples;
  if (!x || !noise || !lambda || !own)
    throw new Error('training at exits needs x, the noise in it, lambda and exit');
  const predicted = epsilonOf(prediction, spec.channels);
  const squared = errorOf(predicted, targetOf(spec, x, noise, samples));
  const epsilon = epsilonSeen(spec, x, predicted, samples);
  const variance = (): tf.Tensor => varianceOf(prediction, spec.channels);
  const error = learnsVariance(spec)
    ? tf.add(squared, variationalBound({ epsilon, variance: variance(), x, noise }, samples))
    : squared;
  const counts = tf.mul(lambda, tf.cast(tf.equal(own, exit), 'float32'));
  return tf.sum(tf.mul(counts, error));
}
