// How does a number, the label of a class or that of a caption, become what a backbone is told? Data, samplers and
// requests know the number alone; it is looked up where a compiled step is fed.
import type { BackboneSpec, CaptionedSpec, LabelledSpec, Prompt } from '../backbones/backbone.js';
import type { Feeds, InputSpec, Tensors } from '../engine/engine.js';
import { tf } from '../engine/tf.js';
import { unreachable } from '../errors.js';

/** Embedded captions. */
export interface CaptionBatch {
  /** [B, L, C] */
  readonly tokens: Float32Array;
  /** [B, L]: 1 where a token counts, else 0. */
  readonly mask: Float32Array;
}

/** Embedded captions by number, all of one length. */
export interface Captions {
  /** The number `count` itself is the null caption: that of the empty text. */
  readonly count: number;
  /** Another for other captions. */
  readonly fingerprint: string;
  read(numbers: Int32Array): Promise<CaptionBatch>;
}

/** What a backbone can be asked for, by number. */
export interface Prompts {
  /** How many there are, from 0: samples take turns. 0 is an unconditional backbone, whose number is always 0. */
  readonly count: number;
  /** The number that asks for nothing; undefined if there is none. */
  readonly none: number | undefined;
  /** What decides the feeds of a number beside it: any JSON. */
  readonly decidedBy: number | string;
  /** Inputs of a step (`promptInputs`) for these numbers. */
  feeds(numbers: Int32Array): Promise<Feeds>;
  /** Inputs that a guided step has beside them (`guidanceInputs`). */
  guidanceFeeds(scale: number): Promise<Feeds>;
}

/**
 * @param captions of a backbone that is told captions, of its channels and tokens; another has none
 */
export function promptsOf(spec: BackboneSpec, captions?: Captions): Prompts {
  switch (spec.conditioning) {
    case 'classes':
      return labels(spec);
    case 'captions':
      if (!captions) throw new Error(`${spec.size} is told captions, and none were given`);
      return texts(captions);
    default:
      return unreachable(spec);
  }
}

function labels({ classes, nullClass }: LabelledSpec): Prompts {
  return {
    count: classes,
    none: nullClass ? classes : undefined,
    decidedBy: classes,
    feeds: (y) => Promise.resolve({ y }),
    guidanceFeeds: (scale) => Promise.resolve({ scale }),
  };
}

function texts(captions: Captions): Prompts {
  const { count } = captions;
  // A solver asks for the same captions at every step.
  let last: { readonly numbers: Int32Array; readonly feeds: Feeds } | undefined;
  let nothing: CaptionBatch | undefined;
  return {
    count,
    none: count,
    decidedBy: captions.fingerprint,
    async feeds(numbers) {
      if (last && sameNumbers(last.numbers, numbers)) return last.feeds;
      const { tokens, mask } = await captions.read(numbers);
      last = { numbers: numbers.slice(), feeds: { caption: tokens, captionMask: mask } };
      return last.feeds;
    },
    async guidanceFeeds(scale) {
      nothing ??= await captions.read(Int32Array.of(count));
      return { scale, nullCaption: nothing.tokens, nullCaptionMask: nothing.mask };
    },
  };
}

function sameNumbers(a: Int32Array, b: Int32Array): boolean {
  return a.length === b.length && a.every((n, i) => n === b[i]);
}

/** Inputs that say what is asked for: y int32 [B], or caption [B, L, C] and captionMask [B, L]. */
export function promptInputs(spec: BackboneSpec): Readonly<Record<string, InputSpec>> {
  switch (spec.conditioning) {
    case 'classes':
      return { y: { shape: ['batch'], dtype: 'int32' } };
    case 'captions': {
      const [caption, captionMask] = captionShapes(spec);
      return { caption: { shape: ['batch', ...caption] }, captionMask: { shape: ['batch', ...captionMask] } };
    }
    default:
      return unreachable(spec);
  }
}

/** Inputs that guidance takes beside them: its scale [], and the null caption [1, L, C] with its mask [1, L]. */
export function guidanceInputs(spec: BackboneSpec): Readonly<Record<string, InputSpec>> {
  const scale = { shape: [] };
  switch (spec.conditioning) {
    case 'classes':
      return { scale };
    case 'captions': {
      const [caption, captionMask] = captionShapes(spec);
      return {
        scale,
        nullCaption: { shape: [1, ...caption] },
        nullCaptionMask: { shape: [1, ...captionMask] },
      };
    }
    default:
      return unreachable(spec);
  }
}

function captionShapes({ captionTokens, captionChannels }: CaptionedSpec): [[number, number], [number]] {
  return [[captionTokens, captionChannels], [captionTokens]];
}

/** What is asked for, among a step's inputs. */
export function promptIn(batch: Tensors, spec: BackboneSpec): Prompt {
  switch (spec.conditioning) {
    case 'classes':
      return { kind: 'label', y: need(batch, 'y') as tf.Tensor1D };
    case 'captions':
      return captionAt(batch, 'caption');
    default:
      return unreachable(spec);
  }
}

/** What asks for nothing, of one sample. */
export function nonePrompt(batch: Tensors, spec: BackboneSpec): Prompt {
  switch (spec.conditioning) {
    case 'classes':
      if (!spec.nullClass) throw new Error(`${spec.size} has no null class to guide by`);
      return { kind: 'label', y: tf.tensor1d([spec.classes], 'int32') };
    case 'captions':
      return captionAt(batch, 'nullCaption');
    default:
      return unreachable(spec);
  }
}

function captionAt(batch: Tensors, name: 'caption' | 'nullCaption'): Prompt {
  return {
    kind: 'caption',
    tokens: need(batch, name) as tf.Tensor3D,
    mask: need(batch, `${name}Mask`) as tf.Tensor2D,
  };
}

function need(batch: Tensors, name: string): tf.Tensor {
  const input = batch[name];
  if (!input) throw new Error(`a query lacks its input ${name}`);
  return input;
}
