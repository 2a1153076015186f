// Which weights does a backbone start its own training from? The official initialisations.
import { sizeOf, type HostTensor, type HostTensors } from '../engine/tensors.js';
import { stream } from '../random.js';
import { unreachable } from '../errors.js';
import type { BackboneSpec, DitSpec } from './backbone.js';
import { familyOf } from './families.js';
import { positions } from './positions.js';

/** The official initialisation of the family. Every parameter has a random stream of its own name. */
export function initialWeights(spec: BackboneSpec, seed: number): HostTensors {
  const entries = Object.entries(familyOf(spec).shapes(spec));
  return Object.fromEntries(entries.map(([name, shape]) => [name, initial(spec, name, shape, seed)]));
}

/** Names of the parameters that training moves: all but DiT's fixed positions. */
export function trainable(spec: BackboneSpec): readonly string[] {
  const names = Object.keys(familyOf(spec).shapes(spec));
  return spec.family === 'dit' ? names.filter((name) => name !== 'pos_embed') : names;
}

/** Names of the parameters that fine-tuning moves: what training does, but for the embedders of time, as in ASE. */
export function fineTunable(spec: BackboneSpec): readonly string[] {
  return trainable(spec).filter((name) => !timeEmbedder.test(name));
}

/** Of a DiT or its blocks, a U-ViT, a PixArt. */
const timeEmbedder = /(^|\.)(t_embedder|time_embed|timestep_embedder)\./;

/** One parameter of the official initialisation. */
export function initial(
  spec: BackboneSpec,
  name: string,
  shape: readonly number[],
  seed: number,
): HostTensor {
  switch (spec.family) {
    case 'dit':
      return initialInDit(spec, name, shape, seed);
    case 'uvit':
      return initialInUvit(name, shape, seed);
    case 'pixart':
      return initialInPixart(name, shape, seed);
    default:
      return unreachable(spec);
  }
}

/**
 * Xavier-uniform linear layers with zero bias, the label table and the timestep MLP normal with deviation 0.02, all
 * adaptive norms and the last layer zero, positions fixed sines and cosines.
 */
function initialInDit(spec: DitSpec, name: string, shape: readonly number[], seed: number): HostTensor {
  if (name === 'pos_embed') return { shape, data: positions(spec) };
  if (name.endsWith('.bias') || name.includes('adaLN_modulation') || name.startsWith('final_layer.'))
    return zeros(shape);
  if (/(^|\.)[ty]_embedder\./.test(name)) return normal(shape, 0.02, seed, name);
  return xavierUniform(shape, seed, name);
}

/**
 * Linear layers and positions normal with deviation 0.02, zero biases, plain norms; the label table and the two
 * convolutions as PyTorch makes them.
 */
function initialInUvit(name: string, shape: readonly number[], seed: number): HostTensor {
  if (name === 'label_emb.weight') return normal(shape, 1, seed, name);
  if (/^(patch_embed\.proj|final_layer)\.weight$/.test(name)) return fanInUniform(shape, seed, name);
  if (/(^|\.)norm\d?\.weight$/.test(name)) return ones(shape);
  return name.endsWith('.bias') ? zeros(shape) : normal(shape, 0.02, seed, name);
}

/**
 * Xavier-uniform linear layers with zero bias; embedders of time and caption normal with deviation 0.02, tables with 1 over
 * the root of the width; cross attention and the last layer put out zero.
 */
function initialInPixart(name: string, shape: readonly number[], seed: number): HostTensor {
  if (name.endsWith('.bias') || /(^|\.)(attn2\.to_out\.0|proj_out)\./.test(name)) return zeros(shape);
  if (name.endsWith('scale_shift_table')) return normal(shape, 1 / Math.sqrt(shape.at(-1) ?? 1), seed, name);
  if (/^(adaln_single|caption_projection)\./.test(name)) return normal(shape, 0.02, seed, name);
  return xavierUniform(shape, seed, name);
}

export function zeros(shape: readonly number[]): HostTensor {
  return { shape, data: new Float32Array(sizeOf(shape)) };
}

export function ones(shape: readonly number[]): HostTensor {
  return { shape, data: new Float32Array(sizeOf(shape)).fill(1) };
}

/**
 * Uniform within +-sqrt(6 / (in + out)) (Glorot and Bengio, 2010).
 * @param shape [out, in], or [out, ...] read as [out, product of the rest]
 * @param name keys the random stream
 */
export function xavierUniform(shape: readonly number[], seed: number, name: string): HostTensor {
  const [outputs = 1, ...rest] = shape;
  const bound = Math.sqrt(6 / (outputs + sizeOf(rest)));
  const random = stream(seed, `init/${name}`);
  return { shape, data: new Float32Array(sizeOf(shape)).map(() => bound * (2 * random.uniform() - 1)) };
}

/** Uniform within +-1 / sqrt(in), PyTorch's convolutions. */
function fanInUniform(shape: readonly number[], seed: number, name: string): HostTensor {
  const bound = 1 / Math.sqrt(sizeOf(shape.slice(1)));
  const random = stream(seed, `init/${name}`);
  return { shape, data: new Float32Array(sizeOf(shape)).map(() => bound * (2 * random.uniform() - 1)) };
}

function normal(shape: readonly number[], deviation: number, seed: number, name: string): HostTensor {
  const data = stream(seed, `init/${name}`).normals(sizeOf(shape));
  return { shape, data: data.map((x) => deviation * x) };
}
