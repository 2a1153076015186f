// In which numbers does a frozen backbone compute? Its heavy layers may be rounded to 8 bits; heads stay as they are.
import { readTensor } from '../checkpoints/stored.js';
import {
  isStored,
  type FrozenPrecision,
  type FrozenWeight,
  type FrozenWeights,
  type HostTensor,
  type QuantisedTensor,
  type Weights,
} from '../engine/tensors.js';
import { unreachable } from '../errors.js';
import type { Model, StoredModel } from './model.js';

/**
 * Layers that act on every token of every block: nearly all multiply-adds of a backbone. What acts once per sample
 * (embeddings, modulation) would gain nothing, and the last layer is where rounding shows most.
 */
const heavy =
  /(^|\.)(attn\.(qkv|[qkv]|proj)|mlp\.fc[12]|skip_linear|attn[12]\.to_([qkv]|out\.0)|ff\.net\.(0\.proj|2))\.weight$/;
const levels = 127;

/** Whether a weight, [out, in], is that of such a layer. */
export function isHeavy(name: string, { shape }: { readonly shape: readonly number[] }): boolean {
  return heavy.test(name) && shape.length === 2;
}

/**
 * A weight in 8 bits; every output channel has the scale that its largest number needs.
 * @param weight [out, in]
 */
export function quantise({ shape, data }: HostTensor): QuantisedTensor {
  const [outputs = 0, inputs = 0] = shape;
  const numbers = new Int8Array(outputs * inputs);
  const scales = new Float32Array(outputs);
  for (let o = 0; o < outputs; o++) {
    const row = data.subarray(o * inputs, (o + 1) * inputs);
    let most = 0;
    // There are hundreds of millions of numbers; iterators and Math.round take five times as long.
    for (let i = 0; i < inputs; i++) {
      const x = row[i] ?? 0;
      if (x > most) most = x;
      else if (-x > most) most = -x;
    }
    const perLevel = most > 0 ? levels / most : 0;
    scales[o] = most > 0 ? most / levels : 1;
    for (let i = 0; i < inputs; i++) numbers[i * outputs + o] = Math.floor((row[i] ?? 0) * perLevel + 0.5);
  }
  return { shape: [outputs, inputs], numbers, scales };
}

/** A backbone's weights in a precision. Each is read for itself, so a large file is never in memory as a whole. */
export async function weightsIn(weights: Weights, precision: FrozenPrecision): Promise<FrozenWeights> {
  switch (precision) {
    case 'fp32':
      return weights;
    case 'int8': {
      const rounded: (readonly [string, FrozenWeight])[] = [];
      for (const [name, weight] of Object.entries(weights)) {
        if (isHeavy(name, weight))
          rounded.push([name, quantise(isStored(weight) ? await readTensor(weight) : weight)]);
        else rounded.push([name, weight]);
      }
      return Object.fromEntries(rounded);
    }
    default:
      return unreachable(precision);
  }
}

/** The model with its backbone in that precision. */
export async function modelIn(model: StoredModel, precision: FrozenPrecision): Promise<Model> {
  return { ...model, backbone: await weightsIn(model.backbone, precision) };
}
