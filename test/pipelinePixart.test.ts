import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from '@jest/globals';
import { initialWeights } from '../src/backbones/init.js';
import { writeBackbone } from '../src/checkpoints/writeBackbone.js';
import { writeCaptions } from '../src/data/writeCaptions.js';
import { readErrorTable } from '../src/schedules/errorTable.js';
import { vaePath, writePhotos } from './encode/photos.js';
import { madeCaptions } from './made-captions.js';
import { moved } from './training/tiny.js';
import { lossesIn, listing, refusalOf, told, workshop } from './workshop.js';
import { madePixart } from './tiny-pixart.js';

const { at, heads } = workshop();

/** With learned variance, as the published models have it. */
const spec = madePixart(3, 1, 5);

/** Of latents that the tiny autoencoder makes. */
const latentSpec = madePixart(2, 4, 5);

/** A store of that many captions. */
async function captions(name: string, count: number, channels = 6): Promise<void> {
  await writeCaptions(
    at(name),
    [madeCaptions(2, 3, channels, 'a'), madeCaptions(count - 2, 4, channels, 'b')],
    {
      ...{ encoder: 'made up', channels, nullCaption: madeCaptions(1, 1, channels, 'none') },
    },
  );
}

beforeAll(async () => {
  await writeBackbone(at('backbone'), spec, moved(initialWeights(spec, 1), 0.1));
  // The images show one of three things.
  await captions('captions', 3);
});

const told3 = ['--set', `data.captions=${at('captions')}`];
const onnx = ['--set', 'engine.kind=onnx'];
const engine = ['--engine', 'onnx'];

/** Trains a few steps. @returns the folder of the run */
async function trained(name: string, ...set: string[]): Promise<string> {
  const log = ['--set', 'train.logEvery=1'];
  const { run } = await told('train', heads, '--out', at(name), ...log, ...told3, ...set);
  return String(run);
}

const losses = (run: string): number[] => lossesIn(join(run, 'metrics.jsonl'));

const pixels = (folder: string): Buffer => readFileSync(at(folder, 'scheduled.png'));

describe('the pipeline on photos that are described', () => {
  it('goes from images with texts beside them to latents that captions ask for', async () => {
    await writePhotos(at('photos'), 12);
    const photos = listing(at('photos')).filter((file) => file.endsWith('.png'));
    expect(photos).toHaveLength(12);
    for (const photo of photos)
      writeFileSync(at('photos', photo.replace(/png$/, 'txt')), `a photo called ${photo}`);
    const sizes = ['--image-size', '16', '--test-share', '0.3', ...engine];
    await told('encode', at('photos'), '--vae', vaePath, '--out', at('latents'), '--captions', ...sizes);
    const texts = readFileSync(at('latents', 'captions.txt'), 'utf8').trimEnd().split('\n');
    expect(texts).toHaveLength(12);
    const embedded = [madeCaptions(texts.length, 4, 6, 'photos')];
    const nullCaption = madeCaptions(1, 1, 6, 'none');
    await writeCaptions(at('of-photos'), embedded, { encoder: 'made up', channels: 6, nullCaption, texts });
    await writeBackbone(at('latent-backbone'), latentSpec, moved(initialWeights(latentSpec, 1), 0.1));
    writeFileSync(
      at('latents.yaml'),
      `
name: described
backbone: { path: latent-backbone }
data: { kind: latents, train: latents/train, test: latents/test, captions: of-photos }
diffusion: { steps: 100, betaEnd: 0.2 }
heads: { kind: adapter, bottleneck: 4 }
train: { batch: 4, steps: 4, checkpointEvery: 2 }
profile: { samples: 8, batch: 4, bins: 2 }
schedule: { speedup: 1.1, steps: 4 }
sample: { guidance: 3, steps: 4 }
engine: { kind: onnx, threads: 1 }
`,
    );
    const { run } = await told('train', at('latents.yaml'), '--out', at('described'));
    await told('profile', String(run));
    await told('schedule', String(run));
    await told('export', String(run), '--out', at('described-bundle'));
    const stored = ['--captions', at('of-photos'), '--vae', vaePath];
    const draw = ['sample', at('described-bundle'), '-n', '3', ...engine, '--out', at('described-drawn')];
    expect(await told(...draw, ...stored)).toMatchObject({ labels: [0, 1, 2] });
    expect(listing(at('described-drawn'))).toContain('scheduled.png');
  });
});

describe('the pipeline on a PixArt', () => {
  it('goes from heads to images that captions ask for', async () => {
    const run = await trained('whole', ...onnx);
    await told('profile', run);
    await told('schedule', run, '--speedup', '1.1');
    await told('export', run, '--out', at('bundle'));
    await told('report', run);
    const table = await readErrorTable(join(run, 'error-table.json'));
    expect(table.exits.map(({ exit }) => exit)).toEqual([1, 2, 3]);
    const { spec: found } = await told('inspect', at('bundle'));
    expect(found).toEqual(spec);
    expect(readFileSync(at('bundle', 'README.md'), 'utf8')).toContain('--captions CAPTIONS');

    const draw = ['sample', at('bundle'), '-n', '4', '--compare', ...onnx];
    const { labels } = await told(...draw, '--captions', at('captions'), '--out', at('drawn'));
    expect(labels).toEqual([0, 1, 2, 0]);
    await captions('others', 4);
    await told(...draw, '--captions', at('others'), '--out', at('drawn-others'));
    expect(pixels('drawn-others')).not.toEqual(pixels('drawn'));
    await told(...draw, '--captions', at('captions'), '--guidance', '1', '--out', at('plain'));
    expect(pixels('plain')).not.toEqual(pixels('drawn'));
  });

  it('says what a training would take without starting it', async () => {
    const said = await told('train', heads, '--out', at('never'), '--dry-run', ...told3);
    expect(said).toMatchObject({ dryRun: true, steps: 12 });
  });

  it('trains heads alike on onnxruntime and on WebAssembly', async () => {
    const few = ['--set', 'train.steps=3', '--set', 'train.checkpointEvery=3'];
    const [a, b] = [
      losses(await trained('onnx', ...onnx, ...few)),
      losses(await trained('wasm', '--set', 'engine.kind=wasm', ...few)),
    ];
    expect(a).toHaveLength(3);
    expect(a).toBeAllClose(b, 1e-4);
  });

  it('puts the null caption in the place of captions that are left out', async () => {
    const few = [...onnx, '--set', 'train.steps=2', '--set', 'train.checkpointEvery=2'];
    const [none] = losses(await trained('none', ...few, '--set', 'diffusion.labelDropout=1'));
    const [all] = losses(await trained('all', ...few, '--set', 'diffusion.labelDropout=0'));
    expect(none).not.toBe(all);
    // Where all are left out, it does not matter which captions there are.
    await captions('others', 5);
    const others = ['--set', `data.captions=${at('others')}`];
    const [again] = losses(await trained('again', ...few, '--set', 'diffusion.labelDropout=1', ...others));
    expect(again).toBe(none);
  });

  it('trains every kind of head, and on the backbone in 8 bits', async () => {
    const fine = losses(await trained('fine', ...onnx)).at(-1) ?? NaN;
    const coarse =
      losses(await trained('coarse', ...onnx, '--set', 'engine.frozenPrecision=int8')).at(-1) ?? NaN;
    expect(coarse).not.toBe(fine);
    expect(Math.abs(coarse - fine)).toBeLessThan(0.05 * fine);
    for (const kind of ['linear', 'block']) {
      const found = losses(await trained(kind, ...onnx, '--set', `heads.kind=${kind}`));
      expect(found.at(-1)).toBeLessThan(found[0] ?? NaN);
    }
    await trained('shared', ...onnx, '--set', 'heads.kind=shared');
  });

  it('refuses what does not fit, and says what to give', async () => {
    const train = ['train', heads, '--out', at('never')];
    expect(await refusalOf(...train)).toBe(
      'PixArt-3x16/4 is told captions, and there are none. Give the folder of embedded captions as data.captions (docs/captions.md).',
    );
    await captions('wide', 3, 8);
    expect(await refusalOf(...train, '--set', `data.captions=${at('wide')}`)).toContain(
      'PixArt-3x16/4 reads captions of 6',
    );
    await writeCaptions(at('few'), [madeCaptions(2, 3, 6, 'a')], {
      ...{ encoder: 'made up', channels: 6, nullCaption: madeCaptions(1, 1, 6, 'none') },
    });
    expect(await refusalOf(...train, '--set', `data.captions=${at('few')}`)).toContain(
      'has labels up to 2, which are numbers of captions, but data.captions holds 2',
    );
    expect(await refusalOf('sample', at('bundle'), '--out', at('never'))).toContain('as --captions');
  });
});
