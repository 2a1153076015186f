// What does one step of training uncertainty heads do? One frozen pass, heads included, says how wrong every exit was.
import { epsilonOf } from '../backbones/channels.js';
import { familyOf } from '../backbones/families.js';
import type { Step } from '../engine/engine.js';
import { tf } from '../engine/tf.js';
import { queryOf, type Model } from '../exits/model.js';
import { features, runHeads } from '../exits/run.js';
import { errorIn, uncertaintyLoss, type Uncertainty } from '../exits/uncertainty.js';
import { lossesAndGradients } from './gradients.js';
import { part } from './state.js';
import { epsilonSeen } from './target.js';
import { update, type UpdateOptions } from './update.js';

/**
 * loss = sum_k of `uncertaintyLoss` at exit k, whose error is that of the noise seen, as in an error table. Only uncertainty heads have a backward, and none of them sees another's.
 *
 * Inputs: those of any training step (`trainingInputs`). State: training/state.ts of the uncertainty heads. Frozen:
 * backbone and heads. Results: `loss`, `norm` of the gradients before clipping, and every exit's loss as `exit/<k>`.
 */
export function uncertaintyStep(
  { spec, plans }: Pick<Model, 'spec' | 'plans'>,
  plan: Uncertainty,
  options: UpdateOptions,
): Step {
  return (state, batch, frozen) => {
    const { t, lr } = batch;
    if (!t || !lr) throw new Error('a step of training uncertainty heads needs t and lr');
    const backbone = familyOf(spec).bind(spec, frozen);
    const query = queryOf(batch, spec);
    const { states, full } = features(backbone, query, plan.exits);
    const seen = (prediction: tf.Tensor4D): tf.Tensor =>
      epsilonSeen(spec, query.x, epsilonOf(prediction, spec.channels), batch);
    const errors = new Map(
      runHeads(backbone, { plans, weights: frozen }, states).map(({ exit, prediction }) => [
        exit,
        errorIn(plan.form, seen(prediction), seen(full)),
      ]),
    );
    const { losses, gradients } = lossesAndGradients(
      part(state, 'w'),
      tf.ones([plan.exits.length]),
      (weights) =>
        tf.stack(
          plan.exits.map((exit) => {
            const [there, error] = [states.get(exit), errors.get(exit)];
            if (!there || !error) throw new Error(`exit ${exit} has no head`);
            return uncertaintyLoss(plan, exit, weights, there, t.as1D(), error);
          }),
        ) as tf.Tensor1D,
    );
    const { state: next, norm } = update(state, gradients, lr, options);
    const own = tf.unstack(losses).map((loss, k) => [`exit/${plan.exits[k]}`, loss] as const);
    return { state: next, out: { loss: tf.sum(losses), norm, ...Object.fromEntries(own) } };
  };
}
