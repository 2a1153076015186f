// What becomes of the samples of a bundle: are they pixels, or which autoencoder makes pictures of them?
import { messageOf, UserError } from '../errors.js';
import { openPictureVae, picturesOf, type Pictures, type VaeSource } from '../vae/pictures.js';
import type { OpenedBundle } from './openBundle.js';
import { placeOf } from './place.js';

export interface BundlePictures {
  readonly pictures: Pictures;
  /** What the user should know, such as that it is another autoencoder than the bundle's. */
  readonly warning: string | undefined;
}

/**
 * @param path of the bundle
 * @param given where the autoencoder is and how it decodes; unless given, as the bundle says, seen from its folder. Or
 * that latents shall stay what they are.
 * @throws UserError if it cannot be opened, its latents are not those of the backbone, or there are no latents
 */
export async function openBundlePictures(
  path: string,
  { bundle, model }: OpenedBundle,
  given: VaeSource | 'latents',
): Promise<BundlePictures> {
  const { spec } = model;
  const own = bundle.vae;
  if (given === 'latents') {
    if (picturesOf(spec, undefined).kind === 'latents' || own)
      return { pictures: { kind: given }, warning: undefined };
    throw new UserError(
      `${path} draws pixels of ${spec.channels} channels, no latents. Leave --latents out.`,
    );
  }
  const { tile = own?.tile } = given;
  const source = given.path ?? (own && placeOf(path, own.source));
  const vae = await openPictureVae(spec, { path: source, tile }).catch((error: unknown) => {
    if (given.path !== undefined || !own || !(error instanceof UserError)) throw error;
    throw new UserError(
      `${path} names its autoencoder as ${own.source}, which cannot be opened: ${messageOf(error)} ` +
        'Give its place with --vae, or take latents with --latents.',
    );
  });
  const isOther = vae !== undefined && own !== undefined && vae.vae.fingerprint !== own.fingerprint;
  return {
    pictures: picturesOf(spec, vae),
    warning: isOther
      ? `the autoencoder ${vae.vae.source} has fingerprint ${vae.vae.fingerprint.slice(0, 12)}, that of the bundle ` +
        `${own.fingerprint.slice(0, 12)}: its pictures are not quite those that the bundle promises.`
      : undefined,
  };
}
