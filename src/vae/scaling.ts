// How do latents of an autoencoder become what diffusion works on?
import type { VaeSpec } from './spec.js';

/** (z - shift) * scalingFactor. @param latents as the encoder gives them */
export function toDiffusion(
  { scalingFactor, shift }: Pick<VaeSpec, 'scalingFactor' | 'shift'>,
  latents: Float32Array,
): Float32Array {
  return latents.map((z) => (z - shift) * scalingFactor);
}

/** z / scalingFactor + shift. @param latents as diffusion draws them */
export function fromDiffusion(
  { scalingFactor, shift }: Pick<VaeSpec, 'scalingFactor' | 'shift'>,
  latents: Float32Array,
): Float32Array {
  return latents.map((z) => z / scalingFactor + shift);
}
