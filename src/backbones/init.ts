// Which weights does a backbone start its own training from? DiT's official initialisation.
import { sizeOf, type HostTensor, type HostTensors } from '../engine/tensors.js';
import { stream } from '../random.js';
import type { BackboneSpec } from './backbone.js';
import { dit } from './dit.js';

/**
 * DiT's official initialisation: xavier-uniform linear layers with zero bias, the label table and the timestep MLP
 * normal with deviation 0.02, all adaptive norms and the last layer zero, positions fixed sines and cosines.
 * Every parameter has a random stream of its own name.
 */
export function initialWeights(spec: BackboneSpec, seed: number): HostTensors {
  const entries = Object.entries(dit.shapes(spec));
  return Object.fromEntries(entries.map(([name, shape]) => [name, initial(spec, name, shape, seed)]));
}

/** Names of the parameters that training moves: all but the fixed positions. */
export function trainable(spec: BackboneSpec): readonly string[] {
  return Object.keys(dit.shapes(spec)).filter((name) => name !== 'pos_embed');
}

function initial(spec: BackboneSpec, name: string, shape: readonly number[], seed: number): HostTensor {
  if (name === 'pos_embed') return { shape, data: positions(spec) };
  if (name.endsWith('.bias') || name.includes('adaLN_modulation') || name.startsWith('final_layer.'))
    return zeros(shape);
  if (name.startsWith('t_embedder.') || name.startsWith('y_embedder.'))
    return normal(shape, 0.02, seed, name);
  return xavierUniform(shape, seed, name);
}

export function zeros(shape: readonly number[]): HostTensor {
  return { shape, data: new Float32Array(sizeOf(shape)) };
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

function normal(shape: readonly number[], deviation: number, seed: number, name: string): HostTensor {
  const data = stream(seed, `init/${name}`).normals(sizeOf(shape));
  return { shape, data: data.map((x) => deviation * x) };
}

/** [N, D], row by row: a half of each vector encodes the column, the other the row; in it all sines, then all cosines. */
function positions({ width, patch, imageSize }: BackboneSpec): Float32Array {
  const side = imageSize / patch;
  const quarter = width / 4;
  const frequencies = Array.from({ length: quarter }, (_, j) => 10000 ** (-j / quarter));
  const waves = (at: number): number[] => [
    ...frequencies.map((f) => Math.sin(at * f)),
    ...frequencies.map((f) => Math.cos(at * f)),
  ];
  const places = Array.from({ length: side * side }, (_, n) => [n % side, Math.floor(n / side)]);
  return Float32Array.from(places.flatMap((place) => place.flatMap(waves)));
}
