// The contract every backbone family fulfils; exits, training and samplers know nothing else of a family.
import type { tf } from '../engine/tf.js';
import type { Tensors } from '../engine/engine.js';
import type { Shapes } from '../engine/tensors.js';
import type { PredictionKind } from '../diffusion/prediction.js';

/** What every backbone is, in numbers: enough to build heads, count compute and check a checkpoint. */
interface CommonSpec {
  /** Published name such as `DiT-XL/2`, or a made one such as `DiT-12x128/4`. */
  readonly size: string;
  /** Number of transformer blocks, L. */
  readonly depth: number;
  /** Tokens per sample, N: patches, and what a family puts before them. */
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
  /** Number of diffusion steps, T. */
  readonly timeSteps: number;
  readonly timeAxis: TimeAxis;
  /** What the first `channels` of its output are. */
  readonly prediction: PredictionKind;
}

/**
 * Which native t the time embedding expects at diffusion step 0..T-1, 0 the least noisy:
 * - steps: the step itself;
 * - steps-from-1: the step plus 1;
 * - continuous: 999 (step + 1) / T, the scaled time of a diffusion in continuous time.
 */
export type TimeAxis = 'steps' | 'steps-from-1' | 'continuous';

/** A backbone that is told a class. */
interface ClassesSpec extends CommonSpec {
  readonly conditioning: 'classes';
  /** Number of class labels; 0 is an unconditional backbone, whose label is always 0. */
  readonly classes: number;
  /** Whether label `classes` means no class, which guidance needs. */
  readonly nullClass: boolean;
}

/** A backbone that is told a caption, as the embeddings a text encoder makes of it. */
interface CaptionsSpec extends CommonSpec {
  readonly conditioning: 'captions';
  /** Numbers per embedded token, C. */
  readonly captionChannels: number;
  /** Tokens of a caption, L; shorter ones are padded, and a mask says so. */
  readonly captionTokens: number;
}

/** The official code and diffusers differ in all that a DiT has of its own; none of it follows from another. */
export interface DitSpec extends ClassesSpec {
  readonly family: 'dit';
  /** Time is embedded in waves of frequency 10000^(-j / (128 - timeShift)): officially 0, in diffusers 1. */
  readonly timeShift: 0 | 1;
  /** Added to the variance in the norm before the MLP: officially 1e-6, as in all other norms, in diffusers 1e-5. */
  readonly mlpNormEpsilon: number;
  /** Whether one layer makes query, key and value (official), or each has its own (diffusers). */
  readonly projections: 'joined' | 'split';
  /**
   * Whether time and label are embedded once (official), or by every block for itself, and for the last layer by the
   * first block (diffusers, unless the embedders of its blocks are equal).
   */
  readonly embedders: 'shared' | 'per-block';
  /** Whether the fixed positions lie among the weights (official), or are computed (diffusers). */
  readonly positions: 'stored' | 'computed';
}

/**
 * What leaving a U-ViT early keeps of the blocks that are dropped:
 * - skips: the linear layers that join the long skips (ASE, figure 8), so that every encoder block still counts;
 * - plain: nothing.
 */
export type ExitRule = 'skips' | 'plain';

export interface UvitSpec extends ClassesSpec {
  readonly family: 'uvit';
  /** Whether the time embedding goes through an MLP (`mlp_time_embed`). */
  readonly timeMlp: boolean;
  /** Whether a 3 x 3 convolution follows the patches (`conv`). */
  readonly finalConvolution: boolean;
  readonly exitRule: ExitRule;
}

export interface PixartSpec extends CaptionsSpec {
  readonly family: 'pixart';
  /** By how much the places of patches are divided before they are encoded: more than 1 for images larger than 512 px. */
  readonly interpolation: number;
  /** Whether the size and the shape of the image are embedded beside the time (1024 px). */
  readonly sizeConditions: boolean;
}

export type BackboneSpec = DitSpec | UvitSpec | PixartSpec;
/** Backbones that are told a class. */
export type LabelledSpec = Extract<BackboneSpec, { conditioning: 'classes' }>;
/** Backbones that are told a caption. */
export type CaptionedSpec = Extract<BackboneSpec, { conditioning: 'captions' }>;

/** What flows through the blocks. */
export interface State {
  /** Tokens, [B, N, D]. */
  readonly hidden: tf.Tensor3D;
  /**
   * What time and class say, [B, D], computed once: for DiT their embedding after SiLU, which its adaptive layers read;
   * for U-ViT the time token; for PixArt the embedded time, which its last layer reads.
   */
  readonly condition: tf.Tensor2D;
  /** For U-ViT: what encoder block 1, 2, ... put out, [B, N, D] each; decoder block k takes that of block L + 1 - k. */
  readonly skips?: readonly tf.Tensor3D[];
  /** For a DiT whose blocks embed time and label for themselves: what they embed. */
  readonly asked?: Asked;
  /** For PixArt: what all blocks read. */
  readonly shared?: Shared;
}

/** What the embedders of a DiT read. */
export interface Asked {
  /** Waves of the native time, [B, 256]. */
  readonly waves: tf.Tensor2D;
  /** Class labels, int32 [B]. */
  readonly labels: tf.Tensor1D;
}

/** What every block of a PixArt reads, computed once. */
export interface Shared {
  /** Shift, scale and gate of the attention, then of the MLP, [B, 6, D]; every block adds its own table. */
  readonly adaptive: tf.Tensor3D;
  /** The caption in the width of the blocks, [B, L, D]. */
  readonly caption: tf.Tensor3D;
  /** What is added to the scores of cross attention, [B, 1, 1, L]: 0, or much below it where a token does not count. */
  readonly bias: tf.Tensor4D;
}

/** What an image shall show. */
export type Prompt =
  /** Class labels, int32 [B]; `classes` means none where there is a null class. */
  | { readonly kind: 'label'; readonly y: tf.Tensor1D }
  /** Embedded captions [B, L, C], and which of their tokens count, [B, L]: 1, or 0 for padding. */
  | { readonly kind: 'caption'; readonly tokens: tf.Tensor3D; readonly mask: tf.Tensor2D };

/** What the backbone is asked for. */
export interface Query {
  /** Noisy input, [B, C, H, W]. */
  readonly x: tf.Tensor4D;
  /** Native time, [B]. */
  readonly t: tf.Tensor1D;
  readonly prompt: Prompt;
}

/**
 * A backbone bound to its weights. Every method is a pure function on tensors, so it runs eagerly or traced.
 * k counts blocks from 1; depth L is the whole backbone.
 */
export interface Backbone {
  readonly spec: BackboneSpec;
  embed(query: Query): State;
  block(state: State, k: number): State;
  /** What leaving after block k adds before a head: identity for DiT, the remaining skips for U-ViT. */
  leave(state: State, k: number): State;
  /**
   * The backbone's own last layer, [B, outChannels, H, W].
   * @param more added to shift and scale of its norm, [B, 2 D]; for U-ViT, whose norm has neither, this is all there is
   */
  finish(state: State, more?: tf.Tensor2D): tf.Tensor4D;
}

/** What a parameter of a new block starts as: random, or so that the block changes nothing and can still learn. */
export type Start = 'random' | 'zero' | 'one';

/**
 * A family of backbones: its parameters, and the parts a head is made of. Heads reuse the shapes and the code
 * of the family's own last layer and block, with weights of their own.
 */
export interface BackboneFamily<Spec extends BackboneSpec = BackboneSpec> {
  readonly family: Spec['family'];
  /** Official parameter names with their shapes. */
  shapes(spec: Spec): Shapes;
  /** Whether a name is that of a parameter which other backbones of this family have. */
  hasElsewhere(name: string): boolean;
  bind(spec: Spec, weights: Tensors): Backbone;
  /** The first k after which `leave` has a meaning. */
  firstExit(spec: Spec): number;
  /** The last layer: its parameter names without prefix; `run` takes weights under exactly those names. */
  readonly last: {
    shapes(spec: Spec): Shapes;
    /** Official name in the backbone of each of those parameters. */
    official(name: string): string;
    run(spec: Spec, weights: Tensors, state: State): tf.Tensor4D;
  };
  /** One more block, which starts so that it changes nothing. */
  readonly extraBlock: {
    shapes(spec: Spec): Shapes;
    start(name: string): Start;
    run(spec: Spec, weights: Tensors, state: State): State;
  };
}
