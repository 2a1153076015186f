// The contract every backbone family fulfils; exits, training and samplers know nothing else of a family.
import type { tf } from '../engine/tf.js';
import type { Tensors } from '../engine/engine.js';
import type { Shapes } from '../engine/tensors.js';

/** What a backbone is, in numbers: enough to build heads, count compute and check a checkpoint. */
export interface BackboneSpec {
  readonly family: 'dit';
  /** Published name such as `DiT-XL/2`, or a made one such as `DiT-12x128/4`. */
  readonly size: string;
  /** Number of transformer blocks, L. */
  readonly depth: number;
  /** Tokens per sample, N. */
  readonly tokens: number;
  /** Hidden width, D. */
  readonly width: number;
  readonly heads: number;
  readonly mlpRatio: number;
  readonly patch: number;
  /** Input x is [B, channels, imageSize, imageSize]. */
  readonly channels: number;
  readonly imageSize: number;
  /** Output channels: `channels`, twice that where the variance is learned. */
  readonly outChannels: number;
  /** Number of class labels; the null class of guidance is `classes` itself. */
  readonly classes: number;
  /** Native t is an integer 0..steps-1. */
  readonly timeSteps: number;
  readonly prediction: 'epsilon';
}

/** What flows through the blocks. */
export interface State {
  /** Tokens, [B, N, D]. */
  readonly hidden: tf.Tensor3D;
  /** What adaptive layers read: for DiT the time and class embedding after SiLU, computed once. [B, D] */
  readonly condition: tf.Tensor2D;
}

/** What the backbone is asked for. */
export interface Query {
  /** Noisy input, [B, C, H, W]. */
  readonly x: tf.Tensor4D;
  /** Native time, [B]. */
  readonly t: tf.Tensor1D;
  /** Class label, int32 [B]; `classes` means none. */
  readonly y: tf.Tensor1D;
}

/**
 * A backbone bound to its weights. Every method is a pure function on tensors, so it runs eagerly or traced.
 * k counts blocks from 1; depth L is the whole backbone.
 */
export interface Backbone {
  readonly spec: BackboneSpec;
  embed(query: Query): State;
  block(state: State, k: number): State;
  /** What leaving after block k adds before a head: identity for DiT. */
  leave(state: State, k: number): State;
  /** The backbone's own last layer, [B, outChannels, H, W]. */
  finish(state: State): tf.Tensor4D;
}

/**
 * A family of backbones: its parameters, and the parts a head is made of. Heads reuse the shapes and the code
 * of the family's own last layer and block, with weights of their own.
 */
export interface BackboneFamily {
  readonly family: BackboneSpec['family'];
  /** Official parameter names with their shapes. */
  shapes(spec: BackboneSpec): Shapes;
  bind(spec: BackboneSpec, weights: Tensors): Backbone;
  /** The last layer: its parameter names without prefix; `run` takes weights under exactly those names. */
  readonly last: {
    shapes(spec: BackboneSpec): Shapes;
    /** Official name in the backbone of each of those parameters. */
    official(name: string): string;
    run(spec: BackboneSpec, weights: Tensors, state: State): tf.Tensor4D;
  };
  /** One more block. Its weights start so that it changes nothing (`zero` names the parameters that begin at 0). */
  readonly extraBlock: {
    shapes(spec: BackboneSpec): Shapes;
    zero(name: string): boolean;
    run(spec: BackboneSpec, weights: Tensors, state: State): State;
  };
}
