// What does one step of training heads do? One pass of the frozen backbone feeds all heads; only they have a backward.
import type { Backbone, BackboneSpec, Query } from '../backbones/backbone.js';
import { epsilonOf, varianceOf } from '../backbones/channels.js';
import { familyOf } from '../backbones/families.js';
import type { Feeds, InputSpec, Step, Tensors } from '../engine/engine.js';
import { tf } from '../engine/tf.js';
import type { HeadPlan } from '../exits/heads.js';
import { queryOf } from '../exits/model.js';
import type { Remembered } from '../exits/memory.js';
import { features, residualsOf, runHeads, statesAt } from '../exits/run.js';
import { lossesAndGradients } from './gradients.js';
import { weightedError } from './loss.js';
import { movedByDdim, pairInputs, type PairKind } from './pairs.js';
import { trainingInputs } from './pretrainStep.js';
import { part } from './state.js';
import { epsilonSeen, targetOf } from './target.js';
import { update, type UpdateOptions } from './update.js';
import { boundInputs, variationalBound } from './variance.js';

/** How much heads are to resemble what, and how much each of them counts. */
export interface HeadsLoss {
  /** Weight of the distance to the noise that is in x. */
  readonly denoising: number;
  /** Weight of the distance to what the whole backbone predicts. */
  readonly distillation: number;
  /** How much each head counts, in the order of the plans. */
  readonly exitWeights: readonly number[];
  /** How channels of a learned variance are trained; unless given, they inherit. */
  readonly variance?: VarianceRule;
}

/**
 * Channels of a learned variance imitate those of full depth, or are the backbone's own (exits/heads.ts) and compared with
 * nothing, or learn by the variational bound.
 */
export type VarianceRule = 'inherit' | 'share' | 'learn';

/** What heads are compared with. What they are not is no part of a compiled step. */
export interface Targets {
  readonly noise: boolean;
  /** Without it the blocks after the last head never run. */
  readonly full: boolean;
  readonly variance: VarianceRule;
}

export function targetsOf({
  denoising,
  distillation,
  variance = 'inherit',
}: Omit<HeadsLoss, 'exitWeights'>): Targets {
  return { noise: denoising > 0, full: distillation > 0, variance };
}

/**
 * Inputs of `headsStep`: those of any training step, `importance` of every head, each sample's `lambdaFull`, those of the
 * variational bound, and for heads that remember those of pairs.
 */
export function headsInputs(
  spec: BackboneSpec,
  plans: readonly HeadPlan[],
  targets: Targets,
  pairs?: PairKind,
): Readonly<Record<string, InputSpec>> {
  return {
    ...trainingInputs(spec),
    importance: { shape: [plans.length] },
    ...(targets.full && { lambdaFull: { shape: ['batch'] } }),
    ...(targets.variance === 'learn' && boundInputs),
    ...(pairs && pairInputs(spec, pairs)),
  };
}

/**
 * Weights of both distances.
 * @param lambda of each sample, or of each time
 * @param lambdaFull the same for the distance to the whole backbone
 */
export function distanceWeights(
  loss: Omit<HeadsLoss, 'exitWeights'>,
  lambda: Float32Array,
  lambdaFull = lambda,
): Readonly<Record<string, Float32Array>> {
  return {
    lambda: lambda.map((weight) => loss.denoising * weight),
    ...(targetsOf(loss).full && { lambdaFull: lambdaFull.map((weight) => loss.distillation * weight) }),
  };
}

/** What of the inputs says how much counts. @param lambda of each sample, [B] */
export function lossFeeds(loss: HeadsLoss, lambda: Float32Array): Feeds {
  return { ...distanceWeights(loss, lambda), importance: Float32Array.from(loss.exitWeights) };
}

/**
 * loss = sum_k importance_k mean_i (lambda_i |target - head_k|^2 + lambdaFull_i |full - head_k|^2), means over elements.
 * The target is the noise, or what else the backbone is to predict (`targetOf`); it is compared with all channels but
 * those of a learned variance, the backbone's prediction with all of them if variances inherit, else without
 * them, too. Where they learn, lambda_i times the variational bound is added, in bits per dimension (training/variance.ts).
 *
 * Heads that remember are given what a frozen pass at x' and t' leaves, the full-depth step before; and x, where pairs come
 * from a solver, is where DDIM goes from there.
 *
 * State: training/state.ts of the heads. Frozen: the backbone. Results: `loss`, `norm` of the gradients before
 * clipping, and every head's own loss as `exit/<k>`.
 */
export function headsStep(
  spec: BackboneSpec,
  plans: readonly HeadPlan[],
  targets: Targets,
  options: UpdateOptions,
  pairs?: PairKind,
): Step {
  return (state, batch, frozen) => {
    const { lambda, lambdaFull, importance, lr } = batch;
    if (!lambda || !importance || !lr || (targets.full && !lambdaFull))
      throw new Error('a step of training heads needs noise, lambda, lambdaFull, importance and lr');
    const backbone = familyOf(spec).bind(spec, frozen);
    const exits = plans.map((plan) => plan.exit);
    const before = pairs && lastFull(backbone, batch, exits);
    const { x, noise } =
      before && pairs === 'solver' ? movedByDdim(batch, fullEpsilon(spec, batch, before.full)) : batch;
    if (!x || !noise) throw new Error('a step of training heads needs x and the noise in it');
    const query = queryOf({ ...batch, x }, spec);
    const { states, full } = targets.full
      ? features(backbone, query, exits)
      : { states: statesAt(backbone, query, exits), full: undefined };
    const target = targetOf(spec, x, noise, batch);
    const imitated = (prediction: tf.Tensor4D): tf.Tensor4D =>
      targets.variance === 'inherit' ? prediction : epsilonOf(prediction, spec.channels);
    const lossOf = (prediction: tf.Tensor4D): tf.Tensor => {
      const predicted = epsilonOf(prediction, spec.channels);
      const bound = (): tf.Tensor => {
        const epsilon = epsilonSeen(spec, x, predicted, batch);
        const variance = varianceOf(prediction, spec.channels);
        return tf.mean(tf.mul(lambda, variationalBound({ epsilon, variance, x, noise }, batch)));
      };
      return tf.addN([
        ...(targets.noise ? [weightedError(predicted, target, lambda)] : []),
        ...(full && lambdaFull ? [weightedError(imitated(prediction), imitated(full), lambdaFull)] : []),
        ...(targets.variance === 'learn' ? [bound()] : []),
      ]);
    };
    const { losses, gradients } = lossesAndGradients(part(state, 'w'), importance.as1D(), (weights) => {
      const each = runHeads(backbone, { plans, weights }, states, before?.remembered);
      return tf.stack(each.map(({ prediction }) => lossOf(prediction))) as tf.Tensor1D;
    });
    const { state: next, norm } = update(state, gradients, lr, options);
    const own = tf.unstack(losses).map((loss, k) => [`exit/${exits[k]}`, loss] as const);
    return {
      state: next,
      out: { loss: tf.sum(tf.mul(losses, importance)), norm, ...Object.fromEntries(own) },
    };
  };
}

/** The noise that the full-depth step before saw. */
function fullEpsilon(
  spec: BackboneSpec,
  { xFull, mixXFull, mixNoiseFull }: Tensors,
  full: tf.Tensor4D,
): tf.Tensor {
  if (!xFull) throw new Error('pairs of a solver need xFull');
  const mixture = { ...(mixXFull && { mixX: mixXFull }), ...(mixNoiseFull && { mixNoise: mixNoiseFull }) };
  return epsilonSeen(spec, xFull, epsilonOf(full, spec.channels), mixture);
}

/**
 * The full-depth step before: its prediction, and what heads remember of it.
 * @param asked what a query becomes: itself, or both halves of guidance
 */
export function lastFull(
  backbone: Backbone,
  batch: Tensors,
  exits: readonly number[],
  asked: (query: Query) => Query = (query) => query,
): { readonly full: tf.Tensor4D; readonly remembered: Remembered } {
  const { t, xFull, tFull } = batch;
  if (!t || !xFull || !tFull) throw new Error('heads that remember are trained on pairs');
  const seen = features(backbone, asked(queryOf({ ...batch, x: xFull, t: tFull }, backbone.spec)), exits);
  const residuals = residualsOf(backbone, seen);
  const [rows = 0] = seen.full.shape;
  const [samples = 0] = t.shape;
  const times = (of: tf.Tensor): tf.Tensor1D =>
    rows === samples ? of.as1D() : tf.concat1d([of.as1D(), of.as1D()]);
  return { full: seen.full, remembered: { residuals, t: times(t), tFull: times(tFull) } };
}
