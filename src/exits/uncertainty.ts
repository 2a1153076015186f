// How wrong will this exit be on this sample? A small head says so from the state there, before the exit's own head runs.
import type { BackboneSpec, State } from '../backbones/backbone.js';
import { xavierUniform, zeros } from '../backbones/init.js';
import {
  geluTanh,
  layerNorm,
  linear,
  linearWeights,
  timestepEmbedding,
  weightOf,
} from '../backbones/layers.js';
import type { Tensors } from '../engine/engine.js';
import { tf } from '../engine/tf.js';
import type { HostTensors, Shapes } from '../engine/tensors.js';
import { unreachable, UserError } from '../errors.js';
import { remembers, type HeadPlan } from './heads.js';

/**
 * What is predicted of a sample's error e, the noise that exit k sees less the noise that the backbone sees, and from what:
 * - log-excess: ln of the excess, mean over elements of e^2, as in an error table; from the mean over tokens of the
 *   normalised state and of its square, and from the time, through a bottleneck;
 * - deediff: the mean over elements of tanh |e|, as the mean over tokens of sigmoid(w [h; time] + b), after Tang et al.,
 *   "DeeDiff", 2023, section 3.2. There every token is judged by itself, and e is the distance to the noise that was added,
 *   most of which no later block can tell either; here it is what a sample loses by leaving.
 */
export type Uncertainty =
  | { readonly form: 'log-excess'; readonly exits: readonly number[]; readonly bottleneck: number }
  | { readonly form: 'deediff'; readonly exits: readonly number[] };

export const uncertaintyForms = ['log-excess', 'deediff'] as const satisfies Uncertainty['form'][];

/** Numbers that stand for the time. */
const waves = 64;
/** Below any error of single precision that matters; keeps logarithms finite. */
const least = 1e-12;

/**
 * Exits that can say how wrong they are: all that have a head.
 * @throws UserError if one remembers, whose error depends on more than its state, or there is none
 */
export function uncertainExits(plans: readonly HeadPlan[]): readonly number[] {
  const remembering = plans.find(({ kind }) => remembers(kind));
  if (remembering)
    throw new UserError(
      `the ${remembering.kind} head at exit ${remembering.exit} depends on the last full-depth step, so its state alone ` +
        'does not say how wrong it is. Give a run with heads of another kind.',
    );
  if (plans.length === 0) throw new UserError('this run has no heads, so no exit can be uncertain.');
  return plans.map(({ exit }) => exit);
}

/** Parameters by their names, `uncertainty.<k>.<name>`. */
export function uncertaintyShapes({ width }: Pick<BackboneSpec, 'width'>, plan: Uncertainty): Shapes {
  const ofEach = (): Shapes => {
    switch (plan.form) {
      case 'log-excess':
        return {
          'down.weight': [plan.bottleneck, 2 * width],
          'down.bias': [plan.bottleneck],
          'time.weight': [plan.bottleneck, waves],
          'time.bias': [plan.bottleneck],
          'up.weight': [1, plan.bottleneck],
          'up.bias': [1],
        };
      case 'deediff':
        return { 'token.weight': [1, width], 'token.bias': [1], 'time.weight': [1, waves] };
      default:
        return unreachable(plan);
    }
  };
  return Object.fromEntries(
    plan.exits.flatMap((exit) =>
      Object.entries(ofEach()).map(([name, shape]) => [prefix(exit) + name, shape] as const),
    ),
  );
}

/** Random layers without bias; `log-excess` begins at an excess of 1, that of a prediction that says nothing. */
export function initialUncertainty(spec: BackboneSpec, plan: Uncertainty, seed: number): HostTensors {
  return Object.fromEntries(
    Object.entries(uncertaintyShapes(spec, plan)).map(([name, shape]) => [
      name,
      name.endsWith('.bias') || name.endsWith('up.weight') ? zeros(shape) : xavierUniform(shape, seed, name),
    ]),
  );
}

/**
 * How wrong exit k is said to be, in the units of `errorIn`.
 * @param weights of all exits, under their full names
 * @param state after block k
 * @param t diffusion steps, [B]
 * @returns [B], positive
 */
export function uncertaintyAt(
  plan: Uncertainty,
  exit: number,
  weights: Tensors,
  state: Pick<State, 'hidden'>,
  t: tf.Tensor1D,
): tf.Tensor1D {
  switch (plan.form) {
    case 'log-excess':
      return tf.exp(logExcess(weights, exit, state, t));
    case 'deediff': {
      const tokens = linear(state.hidden, linearWeights(weights, `${prefix(exit)}token`));
      const time = linear(timestepEmbedding(t, waves), {
        weight: weightOf(weights, `${prefix(exit)}time.weight`),
      });
      return tf.mean(tf.sigmoid(tf.add(tokens, tf.expandDims(time, 1))), [1, 2]);
    }
    default:
      return unreachable(plan);
  }
}

function logExcess(
  weights: Tensors,
  exit: number,
  { hidden }: Pick<State, 'hidden'>,
  t: tf.Tensor1D,
): tf.Tensor1D {
  const layer = (name: string): ReturnType<typeof linearWeights> =>
    linearWeights(weights, prefix(exit) + name);
  const normal = layerNorm(hidden);
  const pooled = tf.concat2d([tf.mean(normal, 1), tf.mean(tf.square(normal), 1)], 1);
  const time = linear(timestepEmbedding(t, waves), layer('time'));
  const narrow = geluTanh(tf.add<tf.Tensor2D>(linear(pooled, layer('down')), time));
  return tf.reshape(linear(narrow, layer('up')), [-1]);
}

/**
 * How wrong a prediction is, in the units that a form predicts.
 * @param prediction the noise that an exit sees, [B, C, H, W], as full
 * @returns [B]
 */
export function errorIn(form: Uncertainty['form'], prediction: tf.Tensor, full: tf.Tensor): tf.Tensor1D {
  const error = tf.sub(prediction, full);
  switch (form) {
    case 'log-excess':
      return tf.mean(tf.square(error), [1, 2, 3]);
    case 'deediff':
      return tf.mean(tf.tanh(tf.abs(error)), [1, 2, 3]);
    default:
      return unreachable(form);
  }
}

/**
 * What is minimised, a mean over samples.
 * - log-excess: r - ln r - 1 with r = excess / u. It is least in the mean where u is the mean of the excess given what the
 *   head sees, and like ln u it weighs factors alike (QLIKE, Patton, J. Econometrics 160, 2011); (ln u - ln excess)^2 would
 *   find the geometric mean, which lies below the error table.
 * - deediff: (u - mean tanh |e|)^2 (DeeDiff, section 3.2).
 * @param error `errorIn`, [B]
 * @returns a scalar
 */
export function uncertaintyLoss(
  plan: Uncertainty,
  exit: number,
  weights: Tensors,
  state: Pick<State, 'hidden'>,
  t: tf.Tensor1D,
  error: tf.Tensor1D,
): tf.Scalar {
  switch (plan.form) {
    case 'log-excess': {
      const logRatio = tf.sub(tf.log(tf.maximum(error, least)), logExcess(weights, exit, state, t));
      return tf.mean(tf.sub(tf.sub(tf.exp(logRatio), logRatio), 1));
    }
    case 'deediff':
      return tf.mean(tf.square(tf.sub(uncertaintyAt(plan, exit, weights, state, t), error)));
    default:
      return unreachable(plan);
  }
}

function prefix(exit: number): string {
  return `uncertainty.${exit}.`;
}
