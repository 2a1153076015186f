// How do drawn samples become pictures? Those of 1 or 3 channels are pixels; latents go through an autoencoder.
import type { BackboneSpec } from '../backbones/backbone.js';
import type { Engine } from '../engine/engine.js';
import { UserError } from '../errors.js';
import { openVaeDecoder } from './decoder.js';
import { openVae, type StoredVae } from './openVae.js';

/** Where an autoencoder is, and how it shall decode: the section `vae` of a config. */
export interface VaeSource {
  readonly path?: string | undefined;
  /** Side of the tiles that larger latents are decoded in, in latents. */
  readonly tile?: number | undefined;
}

export interface PictureVae {
  readonly vae: StoredVae;
  readonly tile: number | undefined;
}

/** What a backbone draws, seen from outside. */
type Drawn = Pick<BackboneSpec, 'channels' | 'imageSize'>;

/**
 * What samples of a backbone are turned into:
 * - pixels: they are pictures as they are;
 * - decoded: an autoencoder makes pictures of them;
 * - latents: nothing, for want of an autoencoder.
 */
export type Pictures =
  { readonly kind: 'pixels' } | ({ readonly kind: 'decoded' } & PictureVae) | { readonly kind: 'latents' };

/**
 * The autoencoder that a config names, for this backbone.
 * @returns undefined if it names none
 * @throws UserError if it cannot be opened, or its latents are not what the backbone draws
 */
export async function openPictureVae(
  backbone: Drawn,
  { path, tile }: VaeSource,
): Promise<PictureVae | undefined> {
  if (path === undefined) return undefined;
  const vae = await openVae(path);
  requireFit(backbone, vae);
  return { vae, tile };
}

function requireFit({ channels }: Drawn, { spec, source }: StoredVae): void {
  const { latentChannels, imageChannels } = spec;
  if (latentChannels !== channels)
    throw new UserError(
      `the autoencoder ${source} decodes latents of ${latentChannels} channels, but the backbone draws ${channels}. ` +
        'Give the autoencoder that the backbone was trained with, or none if it draws pixels.',
    );
  if (!isDrawable(imageChannels))
    throw new UserError(
      `the autoencoder ${source} makes images of ${imageChannels} channels, and only 1 (grey) or 3 (RGB) can be drawn. ` +
        'Leave it out to keep latents.',
    );
}

export function picturesOf({ channels }: Drawn, vae: PictureVae | undefined): Pictures {
  if (vae) return { kind: 'decoded', ...vae };
  return { kind: isDrawable(channels) ? 'pixels' : 'latents' };
}

function isDrawable(channels: number): boolean {
  return channels === 1 || channels === 3;
}

/** Turns samples into pixels. */
export interface Developer {
  /** Of a picture. */
  readonly channels: number;
  readonly imageSize: number;
  /** From samples [B, C, H, W] to pictures [B, channels, imageSize, imageSize]. */
  develop(samples: Float32Array): Promise<Float32Array>;
  dispose(): Promise<void>;
}

/** Of what is no latent without an autoencoder. */
export async function openDeveloper(
  engine: Engine,
  { channels, imageSize }: Drawn,
  pictures: Exclude<Pictures, { kind: 'latents' }>,
): Promise<Developer> {
  if (pictures.kind === 'pixels')
    return {
      ...{ channels, imageSize },
      develop: (samples) => Promise.resolve(samples),
      dispose: () => Promise.resolve(),
    };
  const { vae, tile } = pictures;
  const decoder = await openVaeDecoder(engine, vae, { latentSize: imageSize, tile });
  return {
    channels: vae.spec.imageChannels,
    imageSize: decoder.imageSize,
    develop: (samples) => decoder.decode(samples),
    dispose: () => decoder.dispose(),
  };
}
