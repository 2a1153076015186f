// What are the weights of a backbone with other classes? Its tables of labels, row by row.
import type { BackboneSpec, LabelledSpec } from '../backbones/backbone.js';
import { initial } from '../backbones/init.js';
import {
  labelRows,
  relabelledSpec,
  requireLabelled,
  type LabelRow,
  type Labels,
} from '../backbones/labels.js';
import { isStored, type HostTensor, type Weights } from '../engine/tensors.js';
import { readTensor } from './stored.js';

export interface Relabelled {
  readonly spec: LabelledSpec;
  readonly weights: Weights;
}

/** The table of labels of a DiT, of one block that has its own, and of a U-ViT. */
export const labelTable = /^((blocks\.\d+\.)?y_embedder\.embedding_table|label_emb)\.weight$/;

/**
 * Tables with new rows; all other weights stay where they lie.
 * New rows depend on the name of the table alone, not on a run's seed: the same labels make the same backbone.
 * @param weights all parameters of the spec, under the official names
 * @throws UserError if the labels mean nothing to this backbone
 */
export async function relabelled(spec: BackboneSpec, weights: Weights, labels: Labels): Promise<Relabelled> {
  requireLabelled(spec);
  const rows = labelRows(spec, labels);
  const made = relabelledSpec(spec, rows);
  const tables: Record<string, HostTensor> = {};
  for (const [name, weight] of Object.entries(weights)) {
    if (!labelTable.test(name)) continue;
    const old = isStored(weight) ? await readTensor(weight) : weight;
    tables[name] = withRows(spec, name, old, rows);
  }
  return { spec: made, weights: { ...weights, ...tables } };
}

/** What the table of a backbone's file says that its spec was before. @param made the spec after */
export function beforeRelabelling(made: BackboneSpec, tensors: Weights): BackboneSpec {
  requireLabelled(made);
  const found = Object.entries(tensors).find(([name]) => labelTable.test(name));
  // An unconditional one was made of one with a row for no class, see labels.ts.
  const nullClass = made.nullClass || made.classes === 0;
  const rows = found?.[1].shape[0] ?? 0;
  return { ...made, nullClass, classes: rows - Number(nullClass) };
}

/** @param name keys the random stream of new rows */
function withRows(
  spec: LabelledSpec,
  name: string,
  { shape, data }: HostTensor,
  rows: readonly LabelRow[],
): HostTensor {
  const [oldRows = 0, width = 0] = shape;
  const all: readonly LabelRow[] = [...rows, ...(spec.nullClass ? (['none'] as const) : [])];
  const made = initial(spec, name, [all.length, width], 0);
  all.forEach((row, i) => {
    const values = rowOf(row);
    if (values) made.data.set(values, i * width);
  });
  return made;

  function rowOf(row: LabelRow): HostTensor['data'] | undefined {
    switch (row) {
      case 'new':
        return undefined;
      case 'mean':
        return meanRow(data, spec.classes, width);
      case 'none':
        return rowAt(oldRows - 1);
      default:
        return rowAt(row);
    }
  }

  function rowAt(row: number): HostTensor['data'] {
    return data.subarray(row * width, (row + 1) * width);
  }
}

/** Of the first `classes` rows of a table, [width]. */
function meanRow(table: HostTensor['data'], classes: number, width: number): Float32Array {
  const sums = new Float64Array(width);
  for (let i = 0; i < classes * width; i++) sums[i % width] = (sums[i % width] ?? 0) + (table[i] ?? NaN);
  return Float32Array.from(sums, (sum) => sum / classes);
}
