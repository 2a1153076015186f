// What does each part of a backbone cost, and each exit? Multiply-adds of one sample, counted from the code that runs.
import type { BackboneSpec } from '../backbones/backbone.js';
import { exitsForHeads, familyOf } from '../backbones/families.js';
import type { Step } from '../engine/engine.js';
import type { Weights } from '../engine/tensors.js';
import { tf } from '../engine/tf.js';
import { queryInputs, queryOf } from '../exits/model.js';
import type { MeasuredExit } from '../schedules/errorTable.js';
import { macsInTurn, type Turn } from '../trace/turns.js';

/** A part of a backbone, or several equal blocks in a row. */
export type PartMacs =
  | { readonly part: 'embedding' | 'last layer'; readonly macs: number }
  | {
      readonly part: 'blocks';
      /** Counted from 1. */
      readonly from: number;
      readonly to: number;
      /** Of each. */
      readonly macs: number;
    };

export interface Costs {
  readonly parts: readonly PartMacs[];
  /** With the backbone's own last layer at every exit, as ASE does. */
  readonly exits: readonly MeasuredExit[];
}

/** @param weights of which the shapes alone matter */
export function costsOf(spec: BackboneSpec, weights: Weights): Costs {
  const { depth } = spec;
  const exits = [...exitsForHeads(spec), depth];
  const blocks = Array.from({ length: depth + 1 }, (_, k) => k);
  const turns = blocks.flatMap((k): Turn[] => [
    { group: `state ${k}`, isKept: true },
    ...(exits.includes(k) ? [{ group: `exit ${k}`, isKept: false }] : []),
  ]);
  const traced = { state: {}, batch: queryInputs(spec), frozen: weights };
  const macs = new Map(
    macsInTurn(allExits(spec, exits), traced, turns).map((cost, i) => [turns[i]?.group, cost]),
  );
  const own = (group: string): number => macs.get(group) ?? NaN;
  let through = 0;
  const throughBlock = blocks.map((k) => (through += own(`state ${k}`)));
  return {
    parts: [
      { part: 'embedding', macs: own('state 0') },
      ...equalBlocks(blocks.slice(1).map((k) => own(`state ${k}`))),
      { part: 'last layer', macs: own(`exit ${depth}`) },
    ],
    exits: exits.map((exit) => ({
      exit,
      kind: exit === depth ? 'backbone' : 'shared',
      macs: (throughBlock[exit] ?? NaN) + own(`exit ${exit}`),
    })),
  };
}

/** What flows out of every block, so that what later ones read is counted where it is made; and every exit. */
function allExits(spec: BackboneSpec, exits: readonly number[]): Step {
  return (_state, batch, frozen) => {
    const backbone = familyOf(spec).bind(spec, frozen);
    const out: Record<string, tf.Tensor> = {};
    let state = backbone.embed(queryOf(batch, spec));
    for (let k = 0; k <= spec.depth; k++) {
      if (k > 0) state = backbone.block(state, k);
      tensorsIn(state).forEach((tensor, i) => (out[`state ${k}/${i}`] = tensor));
      if (exits.includes(k))
        out[`exit ${k}/0`] = backbone.finish(k === spec.depth ? state : backbone.leave(state, k));
    }
    return { state: {}, out };
  };
}

/** @param macs of every block, from the first */
function equalBlocks(macs: readonly number[]): PartMacs[] {
  const rows: { part: 'blocks'; from: number; to: number; macs: number }[] = [];
  macs.forEach((cost, i) => {
    const last = rows.at(-1);
    if (last?.macs === cost) last.to = i + 1;
    else rows.push({ part: 'blocks', from: i + 1, to: i + 1, macs: cost });
  });
  return rows;
}

function tensorsIn(value: unknown): tf.Tensor[] {
  if (isTensor(value)) return [value];
  if (typeof value !== 'object' || value === null) return [];
  return Object.values(value as Readonly<Record<string, unknown>>).flatMap(tensorsIn);
}

function isTensor(value: unknown): value is tf.Tensor {
  return value instanceof tf.Tensor;
}
