// Which weights does one half of an autoencoder read?
import type { Shapes, Weights } from '../engine/tensors.js';

/** Those of these names. */
export function partOf(weights: Weights, shapes: Shapes): Weights {
  return Object.fromEntries(
    Object.keys(shapes).map((name) => {
      const weight = weights[name];
      if (!weight) throw new Error(`weight ${name} is missing`);
      return [name, weight];
    }),
  );
}
