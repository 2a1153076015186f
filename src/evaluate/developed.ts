// How are latents judged? By the pictures that an autoencoder makes of them.
import { createHash } from 'node:crypto';
import { setImmediate } from 'node:timers/promises';
import type { Developer } from '../vae/pictures.js';
import type { FeatureExtractor } from './features.js';

/**
 * An extractor of pictures as one of latents.
 * @param length numbers in a latent
 * @param decidedBy what decides the pictures of a latent: the autoencoder, how it decodes and on what; any JSON
 */
export function developed(
  extractor: FeatureExtractor,
  developer: Developer,
  length: number,
  decidedBy: unknown,
): FeatureExtractor {
  const { fingerprint, width, classes } = extractor;
  return {
    ...extractor,
    fingerprint: createHash('sha256')
      .update(JSON.stringify([fingerprint, decidedBy]))
      .digest('hex'),
    async see(latents) {
      const count = latents.length / length;
      const features = new Float32Array(count * width);
      const probabilities = classes > 0 ? new Float32Array(count * classes) : undefined;
      // Pictures are much larger than latents: one at a time.
      for (let i = 0; i < count; i++) {
        await setImmediate();
        const picture = await developer.develop(latents.subarray(i * length, (i + 1) * length));
        const seen = await extractor.see(picture.map((value) => Math.min(1, Math.max(-1, value))));
        features.set(seen.features, i * width);
        if (seen.probabilities) probabilities?.set(seen.probabilities, i * classes);
      }
      return { features, probabilities };
    },
  };
}
