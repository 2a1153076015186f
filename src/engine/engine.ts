// The one way model code runs: a pure step on tensors, compiled by an engine, called with arrays.
import type { tf } from './tf.js';
import type { FrozenWeights, HostTensor, HostTensors } from './tensors.js';

/** Named tensors. Models build their nested views from the flat, official names. */
export type Tensors = Readonly<Record<string, tf.Tensor>>;

/**
 * A pure function of tensors. What changes from call to call (noise, timesteps, learning rate) is in `batch`;
 * nothing may depend on a tensor's value, and nothing in it is random. It returns every entry of `state`,
 * each with the shape it came with, and any number of named results.
 */
export type Step = (state: Tensors, batch: Tensors, frozen: Tensors) => { state: Tensors; out: Tensors };

/** Shape of an input; 'batch' is the number of samples, the same in all inputs of a call. */
export interface InputSpec {
  readonly shape: readonly (number | 'batch')[];
  readonly dtype?: 'float32' | 'int32';
}

export interface CompileOptions {
  /** Initial values of what the step replaces. Kept by the engine until `read` or `dispose`. */
  readonly state: HostTensors;
  readonly batch: Readonly<Record<string, InputSpec>>;
  /**
   * Weights that never change, those that the step does not read among them; engines map stored ones from their file.
   * Steps that are open together and read parts of the same weights are all given the whole: an engine goes by its size.
   */
  readonly frozen: FrozenWeights;
}

/** Numbers for one call; a plain number feeds a scalar input. */
export type Feeds = Readonly<Record<string, Float32Array | Int32Array | number>>;

export interface CompiledStep {
  /** Runs once, replaces the state, returns the results. Throws if a feed is missing or has the wrong length. */
  (feeds: Feeds): Promise<Record<string, HostTensor>>;
  /** A copy of the state. */
  read(): Promise<HostTensors>;
  /** Multiply-adds of one call for one sample, counted from the step itself. */
  readonly macs: number;
  dispose(): Promise<void>;
}

export const engineKinds = ['auto', 'onnx', 'cuda', 'native', 'webgpu', 'wasm'] as const;
export type EngineKind = (typeof engineKinds)[number];
/** An engine that runs; `auto` is a wish. */
export type RunningKind = Exclude<EngineKind, 'auto'>;

export interface Engine {
  readonly kind: RunningKind;
  /** Why this engine was picked: the first line of every run says it. */
  readonly reason: string;
  /** What it computes on: an execution provider, or the name of a device. The CPU unless given. */
  readonly device?: string;
  /**
   * Whether steps that read the same weights hold them once. Where they do not, what they have in common should be a step
   * of its own; where they do, cutting would only carry numbers to and fro.
   */
  readonly sharesWeights: boolean;
  compile(step: Step, options: CompileOptions): Promise<CompiledStep>;
}

/** The first line of every run: what computes, on what, and why. */
export function engineLine({
  kind,
  device = 'CPU',
  reason,
}: Pick<Engine, 'kind' | 'device' | 'reason'>): string {
  return `engine ${kind} on ${device}: ${reason}`;
}
