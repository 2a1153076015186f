// Which pairs are heads that remember trained on? Every sample at its time, and at the full-depth step before it.
import type { BackboneSpec } from '../backbones/backbone.js';
import { ageBetween, drawnAge, fullStepBefore, type Ages } from '../diffusion/ages.js';
import { alphaBar, type Diffusion } from '../diffusion/betas.js';
import { addNoise } from '../diffusion/forward.js';
import type { InputSpec, Tensors } from '../engine/engine.js';
import { tf } from '../engine/tf.js';
import { imageInput } from '../exits/model.js';
import type { Stream } from '../random.js';
import { mixtureFeeds, mixtureInputs } from './target.js';

/**
 * Where a sample is after its full-depth step:
 * - noise: at the same image with the same noise, x_t = sqrt(a) x_0 + sqrt(1 - a) noise;
 * - solver: where a step of DDIM with the full-depth prediction takes it, as in sampling.
 */
export type PairKind = 'noise' | 'solver';

/**
 * Which memories are trained on:
 * - whole: as old as whole steps of the sampler make them;
 * - between: of any age up to that, so that heads also serve samplers of other numbers of steps.
 */
export type AgesKind = 'whole' | 'between';

export interface Pairs extends Ages {
  readonly pairs: PairKind;
  readonly ages: AgesKind;
}

/** Inputs of a step that is trained on pairs: x and t at the full-depth step, and what takes x from there by DDIM. */
export function pairInputs(spec: BackboneSpec, pairs: PairKind): Readonly<Record<string, InputSpec>> {
  const each: InputSpec = { shape: ['batch'] };
  return {
    ...{ xFull: imageInput(spec), tFull: each },
    ...(pairs === 'solver' && {
      ...{ keepX: each, addEpsilon: each, keepNoise: each },
      ...ofFull(mixtureInputs(spec)),
    }),
  };
}

/**
 * The inputs of `pairInputs`.
 * @param clean [B, C, H, W]
 * @param noise as clean
 * @param t native times at which heads are trained, [B]
 */
export function pairFeeds(
  { pairs, ages: kind, ...ages }: Pairs,
  diffusion: Diffusion,
  { clean, noise, t }: { clean: Float32Array; noise: Float32Array; t: Float32Array },
  random: Stream,
): Readonly<Record<string, Float32Array>> {
  const age = (): number =>
    kind === 'between' ? ageBetween(ages, random.uniform()) : drawnAge(ages, (n) => random.integer(n));
  const tFull = t.map((at) => fullStepBefore(at, age(), ages, diffusion.steps));
  const from = { xFull: addNoise(diffusion, clean, noise, tFull), tFull };
  if (pairs === 'noise') return from;
  const each = (value: (a: number, aFull: number) => number): Float32Array =>
    t.map((at, i) => value(alphaBar(diffusion, at), alphaBar(diffusion, tFull[i] ?? NaN)));
  return {
    ...from,
    ...ofFull(mixtureFeeds(diffusion, tFull)),
    keepX: each((a, aFull) => Math.sqrt(a / aFull)),
    addEpsilon: each((a, aFull) => Math.sqrt(1 - a) - Math.sqrt((a * (1 - aFull)) / aFull)),
    keepNoise: each((a, aFull) => Math.sqrt((a * (1 - aFull)) / (aFull * (1 - a)))),
  };
}

/** The same under the names of the full-depth step. */
function ofFull<T>(inputs: Readonly<Record<string, T>>): Readonly<Record<string, T>> {
  return Object.fromEntries(Object.entries(inputs).map(([name, input]) => [`${name}Full`, input]));
}

/**
 * DDIM's step from x' at t' to t (equation 12 with eta 0, in x' and epsilon), and the noise that is then in x, for
 * x_t = sqrt(a) x_0 + sqrt(1 - a) (w noise + (1 - w) epsilon), w = sqrt(a (1 - a') / (a' (1 - a))).
 * @param epsilon of the whole backbone at x' and t'
 * @returns both [B, C, H, W]
 */
export function movedByDdim(
  { xFull, noise, keepX, addEpsilon, keepNoise }: Tensors,
  epsilon: tf.Tensor,
): { readonly x: tf.Tensor; readonly noise: tf.Tensor } {
  if (!xFull || !noise || !keepX || !addEpsilon || !keepNoise)
    throw new Error('pairs of a solver need xFull, noise, keepX, addEpsilon and keepNoise');
  const each = (of: tf.Tensor): tf.Tensor => tf.reshape(of, [-1, 1, 1, 1]);
  return {
    x: tf.add(tf.mul(each(keepX), xFull), tf.mul(each(addEpsilon), epsilon)),
    noise: tf.add(epsilon, tf.mul(each(keepNoise), tf.sub(noise, epsilon))),
  };
}
