// How do images become latents? One compiled step, an image at a time, so that memory does not grow with the batch.
import type { Engine, Step } from '../engine/engine.js';
import type { tf } from '../engine/tf.js';
import { UserError } from '../errors.js';
import { encode } from './network.js';
import type { StoredVae } from './openVae.js';
import { encoderShapes } from './shapes.js';
import { partOf } from './parts.js';

export interface EncoderOptions {
  /** Side of the images in pixels, S; a multiple of the downsampling. */
  readonly imageSize: number;
}

/** Encoded images: a normal distribution for every number of their latents. s is S / downsampling. */
export interface Encoded {
  /**
   * [B, latentChannels, s, s], as the autoencoder gives it. Diffusion works on (z - shift) * scalingFactor, where z is the
   * mean or a draw from the distribution: see `toDiffusion`.
   */
  readonly mean: Float32Array;
  /** Logarithm of the variance of z, -30..20, as the mean. */
  readonly logvar: Float32Array;
}

export interface VaeEncoder {
  /** Multiply-adds of one image. */
  readonly macs: number;
  /** @param images [B, imageChannels, S, S], -1..1 */
  encode(images: Float32Array): Promise<Encoded>;
  dispose(): Promise<void>;
}

/** @throws UserError if images of that size have no latents of whole numbers */
export async function openVaeEncoder(
  engine: Engine,
  { spec, weights }: Pick<StoredVae, 'spec' | 'weights'>,
  { imageSize }: EncoderOptions,
): Promise<VaeEncoder> {
  const { downsampling, imageChannels, latentChannels } = spec;
  if (imageSize < downsampling || imageSize % downsampling !== 0)
    throw new UserError(
      `images of ${imageSize} x ${imageSize} pixels cannot be encoded: this autoencoder makes one latent of ${downsampling} x ` +
        `${downsampling} pixels. Give a multiple of ${downsampling} as image size.`,
    );
  const step: Step = (state, { x }, frozen) => ({
    state,
    out: { ...encode(spec, frozen, x as tf.Tensor4D) },
  });
  const compiled = await engine.compile(step, {
    state: {},
    batch: { x: { shape: ['batch', imageChannels, imageSize, imageSize] } },
    frozen: partOf(weights, encoderShapes(spec)),
  });
  const length = imageChannels * imageSize ** 2;
  const latent = latentChannels * (imageSize / downsampling) ** 2;
  return {
    macs: compiled.macs,
    dispose: () => compiled.dispose(),
    async encode(images) {
      const count = images.length / length;
      if (!Number.isInteger(count))
        throw new RangeError(`${images.length} numbers are no whole number of images of ${length}`);
      const [mean, logvar] = [new Float32Array(count * latent), new Float32Array(count * latent)];
      for (let i = 0; i < count; i++) {
        const out = await compiled({ x: images.slice(i * length, (i + 1) * length) });
        mean.set(out['mean']?.data ?? [], i * latent);
        logvar.set(out['logvar']?.data ?? [], i * latent);
      }
      return { mean, logvar };
    },
  };
}
