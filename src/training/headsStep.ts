// What does one step of training heads do? One pass of the frozen backbone feeds all heads; only they have a backward.
import type { BackboneSpec } from '../backbones/backbone.js';
import { familyOf } from '../backbones/families.js';
import type { Step } from '../engine/engine.js';
import { tf } from '../engine/tf.js';
import type { HeadPlan } from '../exits/heads.js';
import { queryOf } from '../exits/model.js';
import { features, runHeads } from '../exits/run.js';
import { lossesAndGradients } from './gradients.js';
import { epsilonOf, weightedError } from './loss.js';
import { part } from './state.js';
import { update, type UpdateOptions } from './update.js';

export interface HeadsLoss {
  /** Weight of the distance to the whole backbone's prediction beside the distance to the noise. */
  readonly distillation: number;
  /** How much each head counts, in the order of the plans. */
  readonly exitWeights: readonly number[];
}

/**
 * loss = sum_k w_k mean_i lambda(t_i) (|noise - head_k|^2 + distillation |full - head_k|^2), means over elements.
 * The noise is compared with the channels of epsilon, the backbone's prediction with all of them.
 *
 * State: training/state.ts of the heads. Frozen: the backbone. Results: `loss`, `norm` of the gradients before
 * clipping, and every head's own loss as `exit/<k>`.
 */
export function headsStep(
  spec: BackboneSpec,
  plans: readonly HeadPlan[],
  { distillation, exitWeights }: HeadsLoss,
  options: UpdateOptions,
): Step {
  return (state, batch, frozen) => {
    const { noise, lambda, lr } = batch;
    if (!noise || !lambda || !lr) throw new Error('a training step needs noise, lambda and lr');
    const backbone = familyOf(spec).bind(spec, frozen);
    const exits = plans.map((plan) => plan.exit);
    const { states, full } = features(backbone, queryOf(batch, spec), exits);
    const importance = tf.tensor1d([...exitWeights]);
    const { losses, gradients } = lossesAndGradients(part(state, 'w'), importance, (weights) => {
      const each = runHeads(backbone, { plans, weights }, states).map(({ prediction }) => {
        const toNoise = weightedError(epsilonOf(prediction, spec.channels), noise, lambda);
        // Without it the blocks after the last head are no part of a compiled step.
        if (distillation === 0) return toNoise;
        return tf.add(toNoise, tf.mul(weightedError(prediction, full, lambda), distillation));
      });
      return tf.stack(each) as tf.Tensor1D;
    });
    const { state: next, norm } = update(state, gradients, lr, options);
    const own = tf.unstack(losses).map((loss, k) => [`exit/${exits[k]}`, loss] as const);
    return {
      state: next,
      out: { loss: tf.sum(tf.mul(losses, importance)), norm, ...Object.fromEntries(own) },
    };
  };
}
