// Does a digit backbone draw what it is asked for? npx tsx scripts/bench/digits.ts [backbone] [count] [steps] [guidance]
import { openBackbone } from '../../src/checkpoints/backbone.js';
import { openData } from '../../src/data/open.js';
import { diffusion, ddpmBetas } from '../../src/diffusion/betas.js';
import { respace } from '../../src/diffusion/respace.js';
import { pickEngine } from '../../src/engine/pick.js';
import { accuracyOn, agreement } from '../../src/evaluate/agreement.js';
import { trainClassifier } from '../../src/evaluate/classifier.js';
import { openDenoiser } from '../../src/exits/denoiser.js';
import { promptsOf } from '../../src/exits/prompts.js';
import { writeFileAtomic } from '../../src/files/write.js';
import { imageGrid } from '../../src/report/grid.js';
import { generateBatch, labelsFor } from '../../src/samplers/generate.js';

const [path = 'models/mnist-dit', ...numbers] = process.argv.slice(2);
const [count = 500, steps = 50, guidance = 2] = numbers.map(Number);
const batch = 50;
const picture = 'digits.png';

const engine = await pickEngine({ kind: 'auto', threads: 0 });
const { spec, weights, fingerprint } = await openBackbone({ path, weights: 'auto' });
const { signal } = new AbortController();
const isGuided = guidance !== 1;
const prompts = promptsOf(spec);
const model = { spec, backbone: weights, plans: [], heads: {} };
const denoiser = await openDenoiser(engine, model, [spec.depth], isGuided);
const length = spec.channels * spec.imageSize ** 2;
const images = new Float32Array(count * length);
for (let from = 0; from < count; from += batch) {
  const some = Math.min(batch, count - from);
  const options = {
    ...{ seed: 0, count, batch, length, signal, clip: false, classes: prompts.count },
    solver: { kind: 'ddim', eta: 0 } as const,
    diffusion: diffusion(ddpmBetas),
    timesteps: respace(spec.timeSteps, String(steps)),
  };
  const trajectory = denoiser.begin();
  const drawn = await generateBatch(options, from, some, (x, t, y) =>
    trajectory.predict(spec.depth, { x, t, y, guidance }),
  );
  images.set(drawn, from * length);
}
await denoiser.dispose();

const progress = { update: () => undefined, end: () => undefined };
const train = await openData({ kind: 'mnist' }, 'train', spec);
const test = await openData({ kind: 'mnist' }, 'test', spec);
const classifier = await trainClassifier(engine, train, { seed: 0, signal, progress });
const agreeing = await agreement(classifier, images, labelsFor(0, count, prompts.count));
console.log(`backbone     ${path}, fingerprint ${fingerprint}`);
console.log(`samples      ${count}, ddim, ${steps} steps, guidance ${guidance}, seed 0`);
console.log(`agreement    ${(100 * agreeing).toFixed(2)}% show the digit that was asked for`);
console.log(
  `classifier   ${(100 * (await accuracyOn(classifier, test))).toFixed(2)}% of the test images right`,
);
const shown = images.subarray(0, Math.min(count, 100) * length);
const { png } = await imageGrid(shown, { channels: spec.channels, imageSize: spec.imageSize, columns: 10 });
await writeFileAtomic(picture, png);
console.log(`picture      ${picture}, the first ${Math.min(count, 100)}`);
