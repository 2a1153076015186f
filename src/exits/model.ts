// What is a model with exits, before anything runs? A backbone's weights and its heads' plans and weights.
import type { BackboneSpec, Query } from '../backbones/backbone.js';
import { familyOf } from '../backbones/families.js';
import { guided, type Predict } from '../backbones/guidance.js';
import { nativeTime } from '../backbones/time.js';
import type { InputSpec, Step, Tensors } from '../engine/engine.js';
import type { FrozenWeights, Weights } from '../engine/tensors.js';
import { macsOf } from '../trace/trace.js';
import type { HeadPlan } from './heads.js';
import { nonePrompt, promptIn, promptInputs } from './prompts.js';
import { runTo, type Heads } from './run.js';

export interface Model {
  readonly spec: BackboneSpec;
  /** Under the official names. */
  readonly backbone: FrozenWeights;
  readonly plans: readonly HeadPlan[];
  /** Under the names of heads.ts. */
  readonly heads: Weights;
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

/** Exit k as a step: a query's inputs, if guided those of guidance, too; result `prediction`. */
export function exitStep(
  { spec, plans }: Pick<Model, 'spec' | 'plans'>,
  exit: number,
  isGuided: boolean,
): Step {
  return (_state, batch, frozen) => {
    const backbone = familyOf(spec).bind(spec, frozen);
    const heads: Heads = { plans, weights: frozen };
    const predict: Predict = (query) => runTo(backbone, heads, query, exit);
    const { scale } = batch;
    const query = queryOf(batch, spec);
    if (!isGuided) return { state: {}, out: { prediction: predict(query) } };
    if (!scale) throw new Error('a guided step needs the scale');
    return { state: {}, out: { prediction: guided(spec, predict, query, nonePrompt(batch, spec), scale) } };
  };
}

/** Multiply-adds of one sample through exit k, head included, counted from the code that runs. */
export function exitMacs(model: Model, exit: number): number {
  const frozen = { ...model.backbone, ...model.heads };
  return macsOf(exitStep(model, exit, false), { state: {}, batch: queryInputs(model.spec), frozen });
}

/** Exits a schedule may choose: those with a head, and the whole backbone. */
export function exitsOf({ plans, spec }: Pick<Model, 'plans' | 'spec'>): number[] {
  return [...plans.map((plan) => plan.exit), spec.depth];
}
