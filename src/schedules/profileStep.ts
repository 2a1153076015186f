// What does one pass measure? The errors of all exits on a batch, before and after guidance.
import type { BackboneSpec, Query } from '../backbones/backbone.js';
import { epsilonOf } from '../backbones/channels.js';
import { familyOf } from '../backbones/families.js';
import { asBoth, steered } from '../backbones/guidance.js';
import type { InputSpec, Step } from '../engine/engine.js';
import { tf } from '../engine/tf.js';
import { remembers } from '../exits/heads.js';
import { imageInput, queryInputs, queryOf, type Model } from '../exits/model.js';
import { guidanceInputs, nonePrompt } from '../exits/prompts.js';
import { runAll } from '../exits/run.js';
import { lastFull } from '../training/headsStep.js';
import { pairInputs } from '../training/pairs.js';
import { epsilonSeen, mixtureInputs } from '../training/target.js';

/**
 * Inputs of `profileStep`; where heads remember those of pairs among them, where it is guided those of guidance, with the
 * scale of each sample.
 */
export function profileInputs(
  spec: BackboneSpec,
  plans: Model['plans'] = [],
  isGuided = false,
): Readonly<Record<string, InputSpec>> {
  return {
    ...{ ...queryInputs(spec), noise: imageInput(spec), ...mixtureInputs(spec) },
    ...(plans.some(({ kind }) => remembers(kind)) && pairInputs(spec, 'noise')),
    ...(isGuided && { ...guidanceInputs(spec), scale: { shape: ['batch'] } }),
  };
}

/**
 * Measures one batch: the inputs of a query, and `noise` [B, C, H, W]. Results: the squared error of every exit on every
 * sample, a mean over the elements of epsilon, `toNoise` and `toFull` (the whole backbone), [B, exits]. Another prediction
 * is measured by the epsilon that it sees, so all tables compare. Guided, these are errors of the guided prediction, and
 * `conditional` and `unconditional` are `toFull` of both passes before they are combined.
 */
export function profileStep(
  { spec, plans, guidedChannels }: Pick<Model, 'spec' | 'plans' | 'guidedChannels'>,
  isGuided = false,
): Step {
  return (_state, batch, frozen) => {
    const { noise, scale } = batch;
    if (!noise) throw new Error('a profile needs the noise');
    const none = isGuided ? nonePrompt(batch, spec) : undefined;
    const asked = (query: Query): Query => (none ? asBoth(query, none) : query);
    const backbone = familyOf(spec).bind(spec, frozen);
    const kept = plans.filter(({ kind }) => remembers(kind)).map(({ exit }) => exit);
    const before = kept.length > 0 ? lastFull(backbone, batch, kept, asked).remembered : undefined;
    const query = queryOf(batch, spec);
    const predictions = runAll(backbone, { plans, weights: frozen }, asked(query), before).map(
      ({ prediction }) => prediction,
    );
    const seen = (prediction: tf.Tensor4D): tf.Tensor =>
      epsilonSeen(spec, query.x, epsilonOf(prediction, spec.channels), batch);
    const errors = (epsilons: readonly tf.Tensor[], target: tf.Tensor | undefined): tf.Tensor => {
      if (!target) throw new Error('a model has at least one exit');
      return tf.stack(
        epsilons.map((epsilon) => tf.mean(tf.square(tf.sub(epsilon, target)), [1, 2, 3])),
        1,
      );
    };
    const measured = (epsilons: readonly tf.Tensor[]): Record<string, tf.Tensor> => ({
      toNoise: errors(epsilons, noise),
      toFull: errors(epsilons, epsilons.at(-1)),
    });
    if (!isGuided) return { state: {}, out: measured(predictions.map(seen)) };
    if (!scale) throw new Error('a guided profile needs the scale');
    const each = tf.reshape(scale, [-1, 1, 1, 1]);
    const { outChannels, imageSize } = spec;
    const half = (which: number): tf.Tensor => {
      const epsilons = predictions.map((both) => {
        const halves = tf.unstack(tf.reshape(both, [2, -1, outChannels, imageSize, imageSize]));
        return seen((halves[which] ?? both) as tf.Tensor4D);
      });
      return errors(epsilons, epsilons.at(-1));
    };
    return {
      state: {},
      out: {
        ...measured(predictions.map((both) => seen(steered(spec, both, each, guidedChannels)))),
        ...{ conditional: half(0), unconditional: half(1) },
      },
    };
  };
}
