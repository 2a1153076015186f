// What does each part of a backbone cost? Multiply-adds of one sample, counted from the code that runs.
import type { BackboneSpec } from '../backbones/backbone.js';
import { familyOf } from '../backbones/families.js';
import type { Step } from '../engine/engine.js';
import type { Weights } from '../engine/tensors.js';
import { tf } from '../engine/tf.js';
import { exitMacs, queryInputs, queryOf } from '../exits/model.js';
import { macsOf } from '../trace/trace.js';

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

/** @param weights of which the shapes alone matter */
export function partMacs(spec: BackboneSpec, weights: Weights): readonly PartMacs[] {
  const through = Array.from({ length: spec.depth + 1 }, (_, k) =>
    macsOf(throughBlock(spec, k), { state: {}, batch: queryInputs(spec), frozen: weights }),
  );
  const blocks: { part: 'blocks'; from: number; to: number; macs: number }[] = [];
  for (let k = 1; k <= spec.depth; k++) {
    const macs = (through[k] ?? NaN) - (through[k - 1] ?? NaN);
    const last = blocks.at(-1);
    if (last?.macs === macs) last.to = k;
    else blocks.push({ part: 'blocks', from: k, to: k, macs });
  }
  const whole = exitMacs({ spec, backbone: weights, plans: [], heads: {} }, spec.depth);
  return [
    { part: 'embedding', macs: through[0] ?? NaN },
    ...blocks,
    { part: 'last layer', macs: whole - (through.at(-1) ?? NaN) },
  ];
}

/** Everything that flows out of block k, so that what later blocks read is counted where it is made. */
function throughBlock(spec: BackboneSpec, k: number): Step {
  return (_state, batch, frozen) => {
    const backbone = familyOf(spec).bind(spec, frozen);
    let state = backbone.embed(queryOf(batch, spec));
    for (let i = 1; i <= k; i++) state = backbone.block(state, i);
    return { state: {}, out: Object.fromEntries(tensorsIn(state).map((tensor, i) => [`${i}`, tensor])) };
  };
}

function tensorsIn(value: unknown): tf.Tensor[] {
  if (isTensor(value)) return [value];
  if (typeof value !== 'object' || value === null) return [];
  return Object.values(value as Readonly<Record<string, unknown>>).flatMap(tensorsIn);
}

function isTensor(value: unknown): value is tf.Tensor {
  return value instanceof tf.Tensor;
}
