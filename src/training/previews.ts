// What can the backbone draw so far? A grid of samples from the averaged weights, beside the run and in TensorBoard.
import { join } from 'node:path';
import type { BackboneSpec } from '../backbones/backbone.js';
import type { PretrainConfig } from '../config/schema.js';
import { diffusion } from '../diffusion/betas.js';
import { spacedTimes } from '../diffusion/spacing.js';
import type { Engine } from '../engine/engine.js';
import type { HostTensors } from '../engine/tensors.js';
import { Interrupted } from '../errors.js';
import { channelsOf, openGuided, scaleAt } from '../exits/guided.js';
import { promptsOf } from '../exits/prompts.js';
import { writeFileAtomic } from '../files/write.js';
import { imageGrid, type Picture } from '../report/grid.js';
import { generateBatch } from '../samplers/generate.js';
import { solverOf } from '../samplers/solvers.js';
import { openDeveloper, openPictureVae, picturesOf, type PictureVae } from '../vae/pictures.js';
import type { TrainOptions } from './loop.js';
import type { Run } from './runFolder.js';
import { part } from './state.js';

/** Draws at every checkpoint whose step is a multiple of train.sampleEvery; none if that is 0, or after the signal. */
export function previews(
  run: Run,
  spec: BackboneSpec,
  config: PretrainConfig,
  frozen: HostTensors,
  { engine, signal }: { readonly engine: Engine; readonly signal: AbortSignal },
): NonNullable<TrainOptions['onCheckpoint']> {
  const { sample, seed } = config;
  let vae: Promise<PictureVae | undefined> | undefined;
  const gridOf = async (samples: Float32Array): Promise<Picture> => {
    vae ??= openPictureVae(spec, config.vae);
    const pictures = picturesOf(spec, await vae);
    if (pictures.kind === 'latents') throw new Error('a config without an autoencoder draws no latents');
    const developer = await openDeveloper(engine, spec, pictures);
    try {
      const { channels, imageSize } = developer;
      const images = await developer.develop(samples);
      return await imageGrid(images, { channels, imageSize, columns: sample.columns });
    } finally {
      await developer.dispose();
    }
  };
  return async ({ step, state }, metrics) => {
    if (config.train.sampleEvery === 0 || step % config.train.sampleEvery !== 0) return;
    const backbone = { ...frozen, ...part(state, 'ema') };
    const process = diffusion(config.diffusion);
    const model = { spec, backbone, plans: [], heads: {}, guidedChannels: channelsOf(sample) };
    const prompts = promptsOf(spec);
    const denoiser = await openGuided(engine, model, [spec.depth], sample, prompts);
    try {
      const { clip, count, batch } = sample;
      const length = spec.channels * spec.imageSize ** 2;
      const settings = {
        ...{ seed, signal, clip, count, batch, length, diffusion: process, classes: prompts.count },
        ...{ solver: solverOf(sample), timesteps: spacedTimes(process, sample.steps, sample.spacing) },
      };
      const images = new Float32Array(count * length);
      for (let from = 0; from < count; from += batch) {
        const trajectory = denoiser.begin();
        const some = await generateBatch(settings, from, Math.min(batch, count - from), (x, t, y) =>
          trajectory.predict(spec.depth, { x, t, y, guidance: scaleAt(sample, t) }),
        );
        images.set(some, from * length);
      }
      const grid = await gridOf(images);
      await writeFileAtomic(join(run.samples, `step-${step}.png`), grid.png);
      await metrics.image(step, 'samples', grid);
    } catch (error) {
      // The loop sees the signal next, and says what was saved.
      if (!(error instanceof Interrupted)) throw error;
    } finally {
      await denoiser.dispose();
    }
  };
}
