// How good are images drawn by a backbone in 8 bits, at full depth and with a schedule, and how fast?
import { examples } from '../../../src/data/batches.js';
import { openData } from '../../../src/data/open.js';
import { diffusion } from '../../../src/diffusion/betas.js';
import { agreement } from '../../../src/evaluate/agreement.js';
import { trainClassifier } from '../../../src/evaluate/classifier.js';
import { frechetDistance, momentsOf } from '../../../src/evaluate/frechet.js';
import { openDenoiser, type Denoiser } from '../../../src/exits/denoiser.js';
import { promptsOf } from '../../../src/exits/prompts.js';
import { drawAll, drift, type Way } from '../../../src/samplers/compare.js';
import { depthOf, exitAt } from '../../../src/schedules/schedule.js';
import type { Context, Side } from './side.js';

const batch = 50;

/** Draws the same images in four ways, which take turns. */
export async function showSamples(context: Context, fp32: Side, int8: Side, count: number): Promise<void> {
  const { spec } = fp32.model;
  const { data, sample, seed, diffusion: betas } = fp32.config;
  const ways: Way[] = [];
  const denoisers: Denoiser[] = [];
  for (const [name, side] of Object.entries({ fp32, int8 })) {
    const exits = [...side.schedule.exits, spec.depth];
    const denoiser = await openDenoiser(context.engine, side.model, exits, sample.guidance !== 1);
    await denoiser.warmUp(batch);
    denoisers.push(denoiser);
    const exitOf: readonly (readonly [string, (t: number) => number])[] = [
      ['full depth', () => spec.depth],
      ['scheduled', (t) => exitAt(side.schedule, t)],
    ];
    for (const [kind, exit] of exitOf)
      ways.push({
        name: `${name}, ${kind}`,
        begin() {
          const trajectory = denoiser.begin();
          return (x, t, y) => trajectory.predict(exit(t), { x, t, y, guidance: sample.guidance });
        },
      });
  }
  const { labels, drawn } = await drawAll(
    {
      ...{ seed, count, batch, signal: context.signal, clip: sample.clip, classes: promptsOf(spec).count },
      solver: { kind: 'ddim', eta: 0 },
      ...{ diffusion: diffusion(betas), timesteps: fp32.schedule.timesteps },
      length: spec.channels * spec.imageSize ** 2,
    },
    ways,
    () => undefined,
  );
  for (const denoiser of denoisers) await denoiser.dispose();

  const classifier = await trainClassifier(context.engine, await openData(data, 'train', spec), {
    ...context,
    seed,
  });
  const width = classifier.featureWidth;
  const momentsOfImages = async (images: Float32Array): Promise<ReturnType<typeof momentsOf>> =>
    momentsOf((await classifier.see(images)).features, width);
  const test = await openData(data, 'test', spec);
  const real = await momentsOfImages((await examples(test, 0, test.count)).x);
  const asMany = await momentsOfImages((await examples(test, 0, count)).x);

  const [reference] = drawn;
  if (!reference) throw new Error('something is drawn');
  console.log(
    `\n${count} images, ddim, ${fp32.schedule.timesteps.length} steps, guidance ${sample.guidance}`,
  );
  for (const [name, { schedule }] of Object.entries({ fp32, int8 }))
    console.log(`${name}: depth used ${depthOf(schedule.available, schedule.exits).toFixed(3)}`);
  console.log('| drawn by | drift from fp32 full depth | class agreement | FID | time | speed |');
  console.log('| --- | --- | --- | --- | --- | --- |');
  for (const { name, images, seconds } of drawn) {
    const cells = [
      drift(images, reference.images).toExponential(2),
      `${(100 * (await agreement(classifier, images, labels))).toFixed(1)} %`,
      frechetDistance(await momentsOfImages(images), real).toFixed(3),
      `${seconds.toFixed(1)} s`,
      `${(reference.seconds / seconds).toFixed(2)}x`,
    ];
    console.log(`| ${[name, ...cells].join(' | ')} |`);
  }
  console.log(`as many real images have an FID of ${frechetDistance(asMany, real).toFixed(3)}`);
  await classifier.dispose();
}
