// How do latents become images? One compiled step, an image or a tile at a time, so that memory is bounded.
import type { Engine, Step } from '../engine/engine.js';
import type { tf } from '../engine/tf.js';
import { UserError } from '../errors.js';
import { decode } from './network.js';
import type { StoredVae } from './openVae.js';
import { partOf } from './parts.js';
import { fromDiffusion } from './scaling.js';
import { decoderShapes } from './shapes.js';
import { addTile, cut, tilesAlong } from './tiles.js';
import type { VaeSpec } from './spec.js';

export interface DecoderOptions {
  /** Side of the latents, s. */
  readonly latentSize: number;
  /**
   * Side of the overlapping tiles that larger latents are decoded in, at least 2; none unless given. A tile knows nothing
   * of the rest of the image, so norms and attention see less, and the image differs a little from one decoded whole.
   * Memory is then that of one tile, whatever the image.
   */
  readonly tile?: number | undefined;
}

export interface VaeDecoder {
  /** Side of the images in pixels, S: s times the downsampling. */
  readonly imageSize: number;
  /** Multiply-adds of one image. */
  readonly macs: number;
  /**
   * @param latents [B, latentChannels, s, s], as diffusion draws them: they are divided by the scaling factor here
   * @returns images [B, imageChannels, S, S], about -1..1
   */
  decode(latents: Float32Array): Promise<Float32Array>;
  dispose(): Promise<void>;
}

/** @throws UserError if the tile is none */
export async function openVaeDecoder(
  engine: Engine,
  { spec, weights }: Pick<StoredVae, 'spec' | 'weights'>,
  { latentSize, tile = latentSize }: DecoderOptions,
): Promise<VaeDecoder> {
  if (!Number.isInteger(tile) || tile < 2)
    throw new UserError(`tiles of ${tile} latents are asked for; give a whole number of at least 2.`);
  const { latentChannels, imageChannels, downsampling } = spec;
  const side = Math.min(tile, latentSize);
  const step: Step = (state, { z }, frozen) => ({
    state,
    out: { x: decode(spec, frozen, z as tf.Tensor4D) },
  });
  const compiled = await engine.compile(step, {
    state: {},
    batch: { z: { shape: ['batch', latentChannels, side, side] } },
    frozen: partOf(weights, decoderShapes(spec)),
  });
  const run: DecodeOne = async (z) => {
    const { x } = await compiled({ z });
    if (!(x?.data instanceof Float32Array)) throw new Error('an image is made of floats');
    return x.data;
  };
  const isTiled = side < latentSize;
  const one = isTiled ? tiled(spec, latentSize, side, run) : run;
  const tiles = isTiled ? tilesAlong(latentSize, side, downsampling).starts.length ** 2 : 1;
  const [length, imageSize] = [latentChannels * latentSize ** 2, latentSize * downsampling];
  const pixels = imageChannels * imageSize ** 2;
  return {
    imageSize,
    macs: compiled.macs * tiles,
    dispose: () => compiled.dispose(),
    async decode(latents) {
      const count = latents.length / length;
      if (!Number.isInteger(count))
        throw new RangeError(`${latents.length} numbers are no whole number of latents of ${length}`);
      const images = new Float32Array(count * pixels);
      for (let i = 0; i < count; i++) {
        const z = fromDiffusion(spec, latents.subarray(i * length, (i + 1) * length));
        images.set(await one(z), i * pixels);
      }
      return images;
    },
  };
}

/** From the latents of one image, neither scaled nor shifted, to its pixels. */
type DecodeOne = (z: Float32Array) => Promise<Float32Array>;

function tiled(spec: VaeSpec, latentSize: number, tile: number, decodeTile: DecodeOne): DecodeOne {
  const { latentChannels, imageChannels, downsampling } = spec;
  const { starts, shares } = tilesAlong(latentSize, tile, downsampling);
  const places = starts.flatMap((start, i) => {
    const share = shares[i];
    return share ? [{ start, share }] : [];
  });
  const whole = { channels: latentChannels, side: latentSize };
  const picture = { channels: imageChannels, side: latentSize * downsampling };
  return async (z) => {
    const image = new Float32Array(imageChannels * picture.side ** 2);
    for (const vertical of places)
      for (const horizontal of places) {
        const part = cut(z, whole, { top: vertical.start, left: horizontal.start, size: tile });
        addTile(image, picture, await decodeTile(part), {
          size: tile * downsampling,
          top: vertical.start * downsampling,
          left: horizontal.start * downsampling,
          rows: vertical.share,
          columns: horizontal.share,
        });
      }
    return image;
  };
}
