// How do exits run: all of them from one pass, or one of them and nothing after it?
import type { Backbone, Query, State } from '../backbones/backbone.js';
import type { Tensors } from '../engine/engine.js';
import type { tf } from '../engine/tf.js';
import { UserError } from '../errors.js';
import { runHead, type HeadPlan } from './heads.js';
import { memoryAt, residualOf, type Memory, type Remembered } from './memory.js';

/** Heads bound to their weights (`exits.<k>...`); exits ascend, as `checkedPlans` gives them. */
export interface Heads {
  readonly plans: readonly HeadPlan[];
  readonly weights: Tensors;
}

/** What exit k predicts. */
export interface ExitPrediction {
  readonly exit: number;
  /** [B, outChannels, H, W] */
  readonly prediction: tf.Tensor4D;
}

/** What the frozen backbone gives to the training of heads. */
export interface Features {
  /** States after the wanted blocks, by k. */
  readonly states: ReadonlyMap<number, State>;
  /** State after the last block. */
  readonly deepest: State;
  /** Prediction of the whole backbone. */
  readonly full: tf.Tensor4D;
}

/**
 * One pass of the backbone. Training calls it outside the function it differentiates, so that the frozen part has
 * no backward graph.
 * @param exits the k whose states to keep
 */
export function features(backbone: Backbone, query: Query, exits: readonly number[]): Features {
  const { states, deepest } = statesTo(backbone, query, exits, backbone.spec.depth);
  return { states, deepest, full: backbone.finish(deepest) };
}

/** The same without what comes after the last of the exits: no block there runs. */
export function statesAt(backbone: Backbone, query: Query, exits: readonly number[]): Features['states'] {
  return statesTo(backbone, query, exits, Math.max(...exits)).states;
}

function statesTo(
  backbone: Backbone,
  query: Query,
  exits: readonly number[],
  last: number,
): Pick<Features, 'states' | 'deepest'> {
  const states = new Map<number, State>();
  let state = backbone.embed(query);
  for (let k = 1; k <= last; k++) {
    state = backbone.block(state, k);
    if (exits.includes(k)) states.set(k, state);
  }
  return { states, deepest: state };
}

/** What of a full-depth pass the exits remember whose states were kept. */
export function residualsOf(
  backbone: Backbone,
  { states, deepest }: Omit<Features, 'full'>,
): Remembered['residuals'] {
  return new Map([...states].map(([k, state]) => [k, residualOf(backbone, state, deepest, k)]));
}

/**
 * Predictions of all heads on states that `features` kept for their exits.
 * @param remembered for heads that remember
 */
export function runHeads(
  backbone: Backbone,
  heads: Heads,
  states: Features['states'],
  remembered?: Remembered,
): readonly ExitPrediction[] {
  return heads.plans.map((plan) => {
    const state = states.get(plan.exit);
    if (!state) throw new Error(`no state was kept for exit ${plan.exit}`);
    const memory = remembered && memoryAt(remembered, plan.exit);
    return { exit: plan.exit, prediction: runHead(backbone, plan, heads.weights, state, memory) };
  });
}

/** Every head's prediction from one pass, and last the whole backbone's (exit L). */
export function runAll(
  backbone: Backbone,
  heads: Heads,
  query: Query,
  remembered?: Remembered,
): readonly ExitPrediction[] {
  const exits = heads.plans.map((plan) => plan.exit);
  const { states, full } = features(backbone, query, exits);
  return [...runHeads(backbone, heads, states, remembered), { exit: backbone.spec.depth, prediction: full }];
}

/**
 * Runs blocks 1..k and the head there; never touches block k+1. Exit L is the plain backbone.
 * @throws UserError if there is no head at exit k
 */
export function runTo(
  backbone: Backbone,
  heads: Heads,
  query: Query,
  k: number,
  memory?: Memory,
): tf.Tensor4D {
  requireExit(backbone, heads, k);
  return predictionAt(backbone, heads, through(backbone, query, k), k, memory);
}

/**
 * What exit k makes of the state after block k.
 * @throws UserError if there is no head at exit k
 */
export function predictionAt(
  backbone: Backbone,
  heads: Heads,
  state: State,
  k: number,
  memory?: Memory,
): tf.Tensor4D {
  const plan = requireExit(backbone, heads, k);
  return plan ? runHead(backbone, plan, heads.weights, state, memory) : backbone.finish(state);
}

/** The head of exit k; exit L has none. */
function requireExit({ spec }: Backbone, { plans }: Heads, k: number): HeadPlan | undefined {
  const plan = plans.find((plan) => plan.exit === k);
  if (!plan && k !== spec.depth)
    throw new UserError(
      `exit ${k} has no head; the exits are ${[...plans.map((plan) => plan.exit), spec.depth].join(', ')}`,
    );
  return plan;
}

/** The state after block k. */
function through(backbone: Backbone, query: Query, k: number): State {
  let state = backbone.embed(query);
  for (let i = 1; i <= k; i++) state = backbone.block(state, i);
  return state;
}
