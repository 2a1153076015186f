// What turns the hidden state after block k into a prediction? Seven kinds of head; untrained, each is the shared
// exit, or caching.
import type { Backbone, BackboneSpec, Start, State } from '../backbones/backbone.js';
import { epsilonOf, varianceOf } from '../backbones/channels.js';
import { exitsForHeads, familyOf } from '../backbones/families.js';
import { ones, xavierUniform, zeros } from '../backbones/init.js';
import { geluTanh, layerNorm, linear, linearWeights } from '../backbones/layers.js';
import type { Tensors } from '../engine/engine.js';
import { tf } from '../engine/tf.js';
import type { HostTensor, HostTensors, Shapes } from '../engine/tensors.js';
import { unreachable, UserError } from '../errors.js';
import { lowRankModulation, lowRankShapes, lowRankStart } from './lowRank.js';
import type { Memory } from './memory.js';
import { corrected, memoryShapes, memoryStart, recalled } from './memoryHead.js';

/**
 * A head to build after block `exit`, one of `exitsForHeads`:
 * - shared: the backbone's own last layer, without parameters of its own (ASE's exit);
 * - low-rank: the backbone's own last layer, with a shift and a scale of that rank added to its norm (exits/lowRank.ts);
 * - linear: a last layer of its own;
 * - adapter: hidden + up(gelu(down(layerNorm(hidden)))) of that bottleneck, then a last layer of its own;
 * - block: one more block, then a last layer of its own;
 * - remembered: the backbone's own last layer on hidden + residual of the last full-depth step, without parameters: caching
 *   as it needs no training;
 * - memory: scales that residual by the times and corrects it (exits/memoryHead.ts), then a last layer of its own.
 *
 * With `variance: 'shared'` a head says the mean alone: channels of a learned variance are those of the backbone's own last
 * layer on the same state, completed if the kind remembers. Shared and remembered heads do that anyway.
 */
export type HeadPlan =
  | { readonly kind: 'shared'; readonly exit: number }
  | ({ readonly kind: 'low-rank'; readonly exit: number; readonly rank: number } & VarianceSource)
  | ({ readonly kind: 'linear'; readonly exit: number } & VarianceSource)
  | ({ readonly kind: 'adapter'; readonly exit: number; readonly bottleneck: number } & VarianceSource)
  | ({ readonly kind: 'block'; readonly exit: number } & VarianceSource)
  | { readonly kind: 'remembered'; readonly exit: number }
  | ({ readonly kind: 'memory'; readonly exit: number; readonly bottleneck: number } & VarianceSource);

interface VarianceSource {
  readonly variance?: 'shared' | undefined;
}

export const headKinds = [
  'shared',
  'low-rank',
  'linear',
  'adapter',
  'block',
  'remembered',
  'memory',
] as const satisfies HeadPlan['kind'][];

/** Whether heads of a kind take what the last full-depth step left (exits/memory.ts). */
export function remembers(kind: HeadPlan['kind']): boolean {
  switch (kind) {
    case 'remembered':
    case 'memory':
      return true;
    case 'shared':
    case 'low-rank':
    case 'linear':
    case 'adapter':
    case 'block':
      return false;
    default:
      return unreachable(kind);
  }
}

/** Sizes of heads; each kind takes those that it has. */
export interface HeadSizes {
  /** Width of an adapter, or of the correction of a memory. */
  readonly bottleneck?: number | undefined;
  /** Of what low-rank adds. */
  readonly rank?: number | undefined;
}

/** What the plan of a head says beside its kind and exit; kinds that share the variance anyway do not say it. */
export interface HeadOptions extends HeadSizes, VarianceSource {}

/** Which size heads of a kind have. */
export function sizeOfKind(kind: HeadPlan['kind']): keyof HeadSizes | undefined {
  switch (kind) {
    case 'adapter':
    case 'memory':
      return 'bottleneck';
    case 'low-rank':
      return 'rank';
    case 'shared':
    case 'linear':
    case 'block':
    case 'remembered':
      return undefined;
    default:
      return unreachable(kind);
  }
}

/** The plan of one head. */
export function headPlan(kind: HeadPlan['kind'], exit: number, options: HeadOptions = {}): HeadPlan {
  const size = (name: keyof HeadSizes): number => {
    const value = options[name];
    if (value === undefined) throw new Error(`the ${kind} head at exit ${exit} has no ${name}`);
    return value;
  };
  const variance = options.variance && { variance: options.variance };
  switch (kind) {
    case 'adapter':
    case 'memory':
      return { kind, exit, bottleneck: size('bottleneck'), ...variance };
    case 'low-rank':
      return { kind, exit, rank: size('rank'), ...variance };
    case 'linear':
    case 'block':
      return { kind, exit, ...variance };
    case 'shared':
    case 'remembered':
      return { kind, exit };
    default:
      return unreachable(kind);
  }
}

/**
 * Plans in the order of their exits.
 * @throws UserError if an exit has no block after it, or two heads, or one shares a variance that is not predicted
 */
export function checkedPlans(spec: BackboneSpec, plans: readonly HeadPlan[]): readonly HeadPlan[] {
  const possible = exitsForHeads(spec);
  const sorted = plans.toSorted((a, b) => a.exit - b.exit);
  sorted.forEach((plan, i) => {
    const { exit } = plan;
    if (!possible.includes(exit))
      throw new UserError(
        `a head is planned at exit ${exit}, but ${spec.size} has exits ${possible.at(0)} to ${spec.depth - 1} for heads` +
          ` (exit ${spec.depth} is the backbone itself${skipsNote(spec)}); change or remove it`,
      );
    if (sorted[i + 1]?.exit === exit)
      throw new UserError(`two heads are planned at exit ${exit}; keep one of them`);
    for (const [name, size] of Object.entries(sizesOf(plan)))
      if (!Number.isInteger(size) || size < 1)
        throw new UserError(
          `the ${plan.kind} head at exit ${exit} has a ${name} of ${size}; it must be a whole number from 1`,
        );
    if (sharesVariance(plan) && spec.outChannels === spec.channels)
      throw new UserError(
        `the ${plan.kind} head at exit ${exit} takes its variance from the backbone, but ${spec.size} predicts none`,
      );
  });
  return sorted;
}

/** The sizes that a plan has, by name. */
function sizesOf(plan: HeadPlan): Readonly<Record<string, number>> {
  const { kind: _, exit: __, variance: ___, ...sizes } = { variance: undefined, ...plan };
  return sizes;
}

function sharesVariance(plan: HeadPlan): boolean {
  return 'variance' in plan && plan.variance === 'shared';
}

function skipsNote(spec: BackboneSpec): string {
  if (spec.family !== 'uvit' || spec.exitRule === 'plain') return '';
  return '; before the last encoder block, skips are missing that the exit rule `skips` joins';
}

/** Parameter names of a head, `exits.<k>.<part>.<name>`, with their shapes. Shared and remembered heads have none. */
export function headShapes(spec: BackboneSpec, plan: HeadPlan): Shapes {
  const { last, extraBlock } = familyOf(spec);
  const own = at(plan, 'last', last.shapes(spec));
  switch (plan.kind) {
    case 'shared':
    case 'remembered':
      return {};
    case 'linear':
      return own;
    case 'adapter':
      return { ...at(plan, 'adapter', adapterShapes(spec.width, plan.bottleneck)), ...own };
    case 'block':
      return { ...at(plan, 'block', extraBlock.shapes(spec)), ...own };
    case 'low-rank':
      return at(plan, 'lowRank', lowRankShapes(spec.width, plan.rank));
    case 'memory':
      return { ...at(plan, 'memory', memoryShapes(spec.width, plan.bottleneck)), ...own };
    default:
      return unreachable(plan);
  }
}

/**
 * Weights that make every head predict exactly what the shared exit does, or the remembered one: a copy of the backbone's last layer, an
 * adapter whose way up is zero, a block whose gates are zero, a memory with scale 1.
 * @param lastLayer the backbone's last layer under its official names; more entries do not matter
 * @param seed keys the random part, parameter by parameter
 */
export function initialHeads(
  spec: BackboneSpec,
  plans: readonly HeadPlan[],
  lastLayer: HostTensors,
  seed: number,
): HostTensors {
  const heads = checkedPlans(spec, plans).map((plan) => initialHead(spec, plan, lastLayer, seed));
  return Object.fromEntries(heads.flatMap((head) => Object.entries(head)));
}

function initialHead(spec: BackboneSpec, plan: HeadPlan, lastLayer: HostTensors, seed: number): HostTensors {
  const { last, extraBlock } = familyOf(spec);
  const copies = Object.keys(last.shapes(spec)).map((name) => {
    const official = last.official(name);
    const weight = lastLayer[official];
    if (!weight) throw new Error(`weight ${official} is missing`);
    return [name, { shape: weight.shape, data: weight.data.slice() }] as const;
  });
  const fresh = (part: Part, shapes: Shapes, start: (name: string) => Start): HostTensors =>
    Object.fromEntries(
      Object.entries(at(plan, part, shapes)).map(([name, shape]) => [
        name,
        started(start(name.slice(prefix(plan, part).length)), name, shape, seed),
      ]),
    );
  const own = at(plan, 'last', Object.fromEntries(copies));
  switch (plan.kind) {
    case 'shared':
    case 'remembered':
      return {};
    case 'linear':
      return own;
    case 'adapter': {
      const shapes = adapterShapes(spec.width, plan.bottleneck);
      return { ...fresh('adapter', shapes, (name) => (name === 'down.weight' ? 'random' : 'zero')), ...own };
    }
    case 'block':
      return { ...fresh('block', extraBlock.shapes(spec), (name) => extraBlock.start(name)), ...own };
    case 'low-rank':
      return fresh('lowRank', lowRankShapes(spec.width, plan.rank), lowRankStart);
    case 'memory':
      return { ...fresh('memory', memoryShapes(spec.width, plan.bottleneck), memoryStart), ...own };
    default:
      return unreachable(plan);
  }
}

/** @param name keys the random stream */
function started(start: Start, name: string, shape: readonly number[], seed: number): HostTensor {
  switch (start) {
    case 'zero':
      return zeros(shape);
    case 'one':
      return ones(shape);
    case 'random':
      return xavierUniform(shape, seed, name);
    default:
      return unreachable(start);
  }
}

/**
 * The prediction of one head.
 * @param weights of all heads, under their full names
 * @param state after block `plan.exit`
 * @param memory for kinds that remember
 * @returns [B, outChannels, H, W]
 */
export function runHead(
  backbone: Backbone,
  plan: HeadPlan,
  weights: Tensors,
  state: State,
  memory?: Memory,
): tf.Tensor4D {
  const own = ownPrediction(backbone, plan, weights, state, memory);
  if (!sharesVariance(plan)) return own;
  const { channels } = backbone.spec;
  const kind = remembers(plan.kind) ? 'remembered' : 'shared';
  const shared = ownPrediction(backbone, { kind, exit: plan.exit }, weights, state, memory);
  return tf.concat([epsilonOf(own, channels), varianceOf(shared, channels)], 1);
}

/** What a head predicts where all channels are its own. */
function ownPrediction(
  backbone: Backbone,
  plan: HeadPlan,
  weights: Tensors,
  state: State,
  memory: Memory | undefined,
): tf.Tensor4D {
  const { spec } = backbone;
  const { last, extraBlock } = familyOf(spec);
  const left = backbone.leave(state, plan.exit);
  const finish = (ready: State): tf.Tensor4D => last.run(spec, partOf(plan, 'last', weights), ready);
  switch (plan.kind) {
    case 'shared':
      return backbone.finish(left);
    case 'linear':
      return finish(left);
    case 'adapter':
      return finish(adapt(partOf(plan, 'adapter', weights), left));
    case 'block':
      return finish(extraBlock.run(spec, partOf(plan, 'block', weights), left));
    case 'remembered':
      return backbone.finish(recalled(left, needed(memory, plan)));
    case 'low-rank':
      return backbone.finish(left, lowRankModulation(partOf(plan, 'lowRank', weights), left.condition));
    case 'memory':
      return finish(corrected(partOf(plan, 'memory', weights), left, needed(memory, plan)));
    default:
      return unreachable(plan);
  }
}

function adapterShapes(width: number, bottleneck: number): Shapes {
  return {
    'down.weight': [bottleneck, width],
    'down.bias': [bottleneck],
    'up.weight': [width, bottleneck],
    'up.bias': [width],
  };
}

function adapt(weights: Tensors, state: State): State {
  const narrow = geluTanh(linear(layerNorm(state.hidden), linearWeights(weights, 'down')));
  return { ...state, hidden: tf.add(state.hidden, linear(narrow, linearWeights(weights, 'up'))) };
}

function needed(memory: Memory | undefined, { exit }: HeadPlan): Memory {
  if (!memory) throw new Error(`exit ${exit} remembers, and nothing was given`);
  return memory;
}

type Part = 'last' | 'adapter' | 'block' | 'lowRank' | 'memory';

const prefix = (plan: HeadPlan, part: Part): string => `exits.${plan.exit}.${part}.`;

/** Names of a part, made full. */
function at<T>(plan: HeadPlan, part: Part, entries: Readonly<Record<string, T>>): Record<string, T> {
  const start = prefix(plan, part);
  return Object.fromEntries(Object.entries(entries).map(([name, value]) => [start + name, value]));
}

/** The weights of a part, under the names its family knows. */
function partOf(plan: HeadPlan, part: Part, weights: Tensors): Tensors {
  const start = prefix(plan, part);
  const own = Object.entries(weights).filter(([name]) => name.startsWith(start));
  return Object.fromEntries(own.map(([name, weight]) => [name.slice(start.length), weight]));
}
