// What is a model with exits, before anything runs? A backbone's weights and its heads' plans and weights.
import type { BackboneSpec, Query } from '../backbones/backbone.js';
import { familyOf } from '../backbones/families.js';
import { guided, type Predict } from '../backbones/guidance.js';
import { nativeTime } from '../backbones/time.js';
import type { InputSpec, Step, Tensors } from '../engine/engine.js';
import type { FrozenWeights, Weights } from '../engine/tensors.js';
import type { tf } from '../engine/tf.js';
import { macsOf } from '../trace/trace.js';
import { remembers, type HeadPlan } from './heads.js';
import { apart } from './halves.js';
import { memoryIn, memoryInputs, residualName } from './memory.js';
import { guidanceInputs, nonePrompt, promptIn, promptInputs } from './prompts.js';
import { features, residualsOf, runTo, type Heads } from './run.js';

export interface Model {
  readonly spec: BackboneSpec;
  /** Under the official names. */
  readonly backbone: FrozenWeights;
  readonly plans: readonly HeadPlan[];
  /** Under the names of heads.ts. */
  readonly heads: Weights;
  /** How many channels guidance moves, from the first; all that are denoised unless given (`steered`). */
  readonly guidedChannels?: number | undefined;
}

/** A model as its files hold it. */
export interface StoredModel extends Model {
  readonly backbone: Weights;
}

/** Inputs of anything that asks a backbone: x [B,C,H,W], t [B], and its prompt. */
export function queryInputs(spec: BackboneSpec): Readonly<Record<string, InputSpec>> {
  return { x: imageInput(spec), t: { shape: ['batch'] }, ...promptInputs(spec) };
}

/** An input like the images that a backbone denoises, [B,C,H,W]. */
export function imageInput({ channels, imageSize }: BackboneSpec): InputSpec {
  return { shape: ['batch', channels, imageSize, imageSize] };
}

/** The query among a step's inputs, whose `t` counts diffusion steps. */
export function queryOf(batch: Tensors, spec: BackboneSpec): Query {
  const { x, t } = batch;
  if (!x || !t) throw new Error('a query has x and t');
  return { x: x.as4D(...shape4(x.shape)), t: nativeTime(spec, t.as1D()), prompt: promptIn(batch, spec) };
}

function shape4(shape: readonly number[]): [number, number, number, number] {
  const [b = 0, c = 0, h = 0, w = 0] = shape;
  return [b, c, h, w];
}

/** What `exitStep` takes. */
export function exitInputs(
  { spec, plans }: Pick<Model, 'spec' | 'plans'>,
  exit: number,
  isGuided: boolean,
): Readonly<Record<string, InputSpec>> {
  return {
    ...queryInputs(spec),
    ...(isGuided && guidanceInputs(spec)),
    ...(isRemembering(plans, exit) && memoryInputs(spec, isGuided)),
  };
}

/** Whether exit k takes what the last full-depth step left. */
export function isRemembering(plans: readonly HeadPlan[], exit: number): boolean {
  return plans.some((plan) => plan.exit === exit && remembers(plan.kind));
}

/**
 * Exit k as a step: a query's inputs, if guided those of guidance, if it remembers those of its memory; result `prediction`.
 * @param kept exits that remember; exit L, and it alone, gives the residual of each, [B, N, D], guided [2, B, N, D]
 */
export function exitStep(
  { spec, plans, guidedChannels }: Pick<Model, 'spec' | 'plans' | 'guidedChannels'>,
  exit: number,
  isGuided: boolean,
  kept: readonly number[] = [],
): Step {
  return (_state, batch, frozen) => {
    const backbone = familyOf(spec).bind(spec, frozen);
    const heads: Heads = { plans, weights: frozen };
    const memory = isRemembering(plans, exit) ? memoryIn(batch, spec, isGuided) : undefined;
    const residuals: Record<string, tf.Tensor> = {};
    const predict: Predict = (query) => {
      if (exit < spec.depth || kept.length === 0) return runTo(backbone, heads, query, exit, memory);
      const seen = features(backbone, query, kept);
      for (const [k, residual] of residualsOf(backbone, seen)) residuals[residualName(k)] = residual;
      return seen.full;
    };
    const { scale } = batch;
    const query = queryOf(batch, spec);
    if (!isGuided) return { state: {}, out: { prediction: predict(query), ...residuals } };
    if (!scale) throw new Error('a guided step needs the scale');
    const prediction = guided(spec, predict, query, nonePrompt(batch, spec), scale, guidedChannels);
    return { state: {}, out: { prediction, ...apart(residuals) } };
  };
}

/** Multiply-adds of one sample through exit k, head included, counted from the code that runs. */
export function exitMacs(model: Model, exit: number): number {
  const frozen = { ...model.backbone, ...model.heads };
  return macsOf(exitStep(model, exit, false), { state: {}, batch: exitInputs(model, exit, false), frozen });
}

/**
 * Multiply-adds that a full-depth step takes more where exit k remembers it: those of the exit rule, 0 where it does
 * nothing.
 */
export function keptMacs(model: Model, exit: number): number {
  const frozen = { ...model.backbone, ...model.heads };
  const { depth } = model.spec;
  const options = { state: {}, batch: exitInputs(model, depth, false), frozen };
  return macsOf(exitStep(model, depth, false, [exit]), options) - exitMacs(model, depth);
}

/** Exits a schedule may choose: those with a head, and the whole backbone. */
export function exitsOf({ plans, spec }: Pick<Model, 'plans' | 'spec'>): number[] {
  return [...plans.map((plan) => plan.exit), spec.depth];
}
