// What can an exit remember? How far the blocks after it took the state at the last full-depth step.
import type { Backbone, BackboneSpec, State } from '../backbones/backbone.js';
import type { InputSpec, Tensors } from '../engine/engine.js';
import { tf } from '../engine/tf.js';
import { UserError } from '../errors.js';

/** What a head is given that remembers, at a step of a trajectory. */
export interface Memory {
  /** `residualOf` the last full-depth step on the same trajectory, [B, N, D]. */
  readonly residual: tf.Tensor3D;
  /** Diffusion step at hand, [B]. */
  readonly t: tf.Tensor1D;
  /** Diffusion step of the full-depth step, [B]; t + its age. */
  readonly tFull: tf.Tensor1D;
}

/** What a full-depth step leaves for all heads that remember. */
export interface Remembered extends Omit<Memory, 'residual'> {
  /** By exit, [B, N, D] each. */
  readonly residuals: ReadonlyMap<number, tf.Tensor3D>;
}

/** What exit k remembers of it; nothing where it keeps none for that exit. */
export function memoryAt({ residuals, t, tFull }: Remembered, k: number): Memory | undefined {
  const residual = residuals.get(k);
  return residual && { residual, t, tFull };
}

/**
 * r_k = ready_L - ready_k: what was missing from what the last layer takes, had the step left after block k. `ready` is the
 * state after the exit rule, so that adding r_k of the same step gives full depth in every family.
 * @param state after block k
 * @param deepest after block L
 * @returns [B, N, D]
 */
export function residualOf(backbone: Backbone, state: State, deepest: State, k: number): tf.Tensor3D {
  return tf.sub(deepest.hidden, backbone.leave(state, k).hidden);
}

/** Name of exit k's residual among results. */
export const residualName = (k: number): string => `residual.${k}`;

/** Inputs that a step with memory has beside a query: the residual, guided of both halves, and when it was. */
export function memoryInputs(
  spec: BackboneSpec,
  isGuided: boolean,
): Readonly<Record<keyof Memory, InputSpec>> {
  const { tokens, width } = spec;
  return {
    residual: { shape: isGuided ? [2, 'batch', tokens, width] : ['batch', tokens, width] },
    ...{ t: { shape: ['batch'] }, tFull: { shape: ['batch'] } },
  };
}

/** What is remembered, among a step's inputs. */
export function memoryIn(batch: Tensors, { tokens, width }: BackboneSpec, isGuided: boolean): Memory {
  const { residual, t, tFull } = batch;
  if (!residual || !t || !tFull) throw new Error('a step with memory needs residual, t and tFull');
  const times = (of: tf.Tensor): tf.Tensor1D => (isGuided ? tf.concat1d([of.as1D(), of.as1D()]) : of.as1D());
  return { residual: tf.reshape(residual, [-1, tokens, width]), t: times(t), tFull: times(tFull) };
}

/** The first step that would remember before there was a full-depth step; -1 if there is none. */
export function tooEarly(
  exits: readonly number[],
  depth: number,
  remembers: (exit: number) => boolean,
): number {
  const full = exits.indexOf(depth);
  return (full < 0 ? exits : exits.slice(0, full)).findIndex(remembers);
}

/** @param what remembers too early: 'exit 3' */
export function forgot(what: string, depth: number): string {
  return (
    `${what} remembers the last full-depth step, and there was none before it; ` +
    `a schedule of heads that remember begins with exit ${depth}, the whole backbone`
  );
}

/**
 * @param exits of a trajectory, in the order of its calls
 * @throws UserError if one remembers before there was a full-depth step
 */
export function requireRemembered(
  exits: readonly number[],
  depth: number,
  remembers: (exit: number) => boolean,
): void {
  const early = tooEarly(exits, depth, remembers);
  if (early >= 0) throw new UserError(`${forgot(`exit ${exits[early]} at step ${early + 1}`, depth)}.`);
}

/** The first of a solver's calls that goes back in time, towards noise; -1 if there is none. */
export function returnsAt(times: readonly number[]): number {
  return times.findIndex((t, i) => t > (times[i - 1] ?? Infinity));
}

/**
 * Memories have an age.
 * @param times native times of a solver's calls, in their order
 * @throws UserError if they do not descend
 */
export function requireNoReturn(times: readonly number[]): void {
  const back = returnsAt(times);
  if (back >= 0)
    throw new UserError(
      `heads that remember know how long ago a full-depth step was, and this solver goes back from native t ${times[back - 1]} ` +
        `to ${times[back]} to add noise. Set sample.churn to 0, or choose another solver.`,
    );
}
