// What is low-rank about a fine-tuned layer? W + (alpha / rank) up down, of which only the factors move.
import { xavierUniform, zeros } from '../backbones/init.js';
import type { Tensors } from '../engine/engine.js';
import { tf } from '../engine/tf.js';
import type { HostTensor, HostTensors, Shapes, Weights } from '../engine/tensors.js';
import { isHeavy } from '../exits/precision.js';

/**
 * Low-rank adaptation (Hu et al., "LoRA: Low-Rank Adaptation of Large Language Models", ICLR 2022, section 4.1) of the
 * layers that act on every token: attention's, those of the MLP, and those that join a U-ViT's long skips.
 */
export interface LoraOptions {
  readonly rank: number;
  /** The product of the factors counts alpha / rank. */
  readonly alpha: number;
}

const down = (layer: string): string => `lora.${layer}.down`;
const up = (layer: string): string => `lora.${layer}.up`;

/** The weight that a factor is of; any other name itself. */
export function layerOf(name: string): string {
  return /^lora\.(.+)\.(down|up)$/.exec(name)?.[1] ?? name;
}

/** Names of the weights that get factors, [out, in] each. */
export function loraLayers(weights: Weights): readonly string[] {
  return Object.entries(weights).flatMap(([name, weight]) => (isHeavy(name, weight) ? [name] : []));
}

/** `lora.<weight>.down` [rank, in] and `lora.<weight>.up` [out, rank] of every layer. */
export function loraShapes(layers: Shapes, { rank }: LoraOptions): Shapes {
  return Object.fromEntries(
    Object.entries(layers).flatMap(([name, [outputs = 0, inputs = 0]]) => [
      [down(name), [rank, inputs]],
      [up(name), [outputs, rank]],
    ]),
  );
}

/** Factors whose product is zero, so that every layer begins as it was: `down` is random, `up` zero. */
export function loraStart(layers: Shapes, options: LoraOptions, seed: number): HostTensors {
  return Object.fromEntries(
    Object.entries(loraShapes(layers, options)).map(([name, shape]) => [
      name,
      name.endsWith('.up') ? zeros(shape) : xavierUniform(shape, seed, name),
    ]),
  );
}

/** The layers with what their factors add, for a step. @param factors others among them are not read */
export function withFactors(
  layers: Tensors,
  factors: Tensors,
  { rank, alpha }: LoraOptions,
): Record<string, tf.Tensor> {
  return Object.fromEntries(
    Object.entries(layers).map(([name, weight]) => {
      const [left, right] = [factors[up(name)], factors[down(name)]];
      if (!left || !right) throw new Error(`lora: '${name}' has no factors`);
      const product = tf.matMul(left.as2D(...shape2(left)), right.as2D(...shape2(right)));
      return [name, tf.add(weight, tf.mul(product, alpha / rank))];
    }),
  );
}

/** The same layer in memory, [out, in]: what a run keeps. */
export function merged(
  name: string,
  { shape, data }: HostTensor,
  factors: HostTensors,
  { rank, alpha }: LoraOptions,
): HostTensor {
  const [outputs = 0, inputs = 0] = shape;
  const [left, right] = [factors[up(name)], factors[down(name)]];
  if (!left || !right) throw new Error(`lora: '${name}' has no factors`);
  const sum = new Float32Array(data);
  for (let o = 0; o < outputs; o++)
    for (let r = 0; r < rank; r++) {
      const scaled = ((left.data[o * rank + r] ?? NaN) * alpha) / rank;
      for (let i = 0; i < inputs; i++)
        sum[o * inputs + i] = (sum[o * inputs + i] ?? NaN) + scaled * (right.data[r * inputs + i] ?? NaN);
    }
  return { shape, data: sum };
}

function shape2({ shape: [rows = 0, columns = 0] }: tf.Tensor): [number, number] {
  return [rows, columns];
}
