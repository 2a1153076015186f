// What would training take on this machine that a config describes? Random weights and data take the place of what it
// names, and `exithead train --dry-run` measures:
// npx tsx scripts/bench/dry-run.ts configs/dit-xl-2-imagenet256.yaml [--size SIZE] [--set train.batch=2 ...]
// --size is the published size of a backbone whose config names none.
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import sharp from 'sharp';
import yargs from 'yargs';
import type { BackboneSpec } from '../../src/backbones/backbone.js';
import { familyOf } from '../../src/backbones/families.js';
import { publishedSize, specJson } from '../../src/backbones/spec.js';
import { streamSafetensors } from '../../src/checkpoints/safetensors.js';
import { configFile, weightsFile } from '../../src/checkpoints/weightsFile.js';
import { loadConfig } from '../../src/config/load.js';
import type { TrainConfig } from '../../src/config/schema.js';
import { writeLatentShard } from '../../src/data/latentShard.js';
import { writeLatentsIndex } from '../../src/data/latentsIndex.js';
import { writeCaptions, type EmbeddedCaptions } from '../../src/data/writeCaptions.js';
import { writeFileAtomic } from '../../src/files/write.js';
import { stream } from '../../src/random.js';
import { randomWeight } from './weights.js';

/** Examples of made-up data; batches take them again and again. */
const examples = 16;

const {
  _: [path = ''],
  size: named,
  set,
} = await yargs(process.argv.slice(2))
  .option('size', { type: 'string' })
  .option('set', { type: 'string', array: true, default: [] })
  .parserConfiguration({ 'greedy-arrays': false })
  .parseAsync();
const { config } = await loadConfig(String(path), { kind: 'train', set: [] });
const folder = await mkdtemp(join(tmpdir(), 'exithead-dry-run-'));
try {
  const spec = specOf(config);
  const backbone = join(folder, 'backbone');
  await makeBackbone(spec, backbone);
  const changed = [`backbone.path=${backbone}`, ...(await makeData(config.data, spec)), ...set];
  const args = ['--import', 'tsx', 'src/cli.ts', 'train', String(path), '--dry-run'];
  const settings = changed.flatMap((text) => ['--set', text]);
  const { stdout } = await promisify(execFile)(process.execPath, [...args, ...settings]);
  console.log(stdout.trim());
} finally {
  await rm(folder, { recursive: true });
}

function specOf({ backbone }: TrainConfig): BackboneSpec {
  const size = backbone.size ?? named;
  if (size === undefined) throw new Error(`${path} names no size: give one with --size`);
  return publishedSize(size, backbone.imageSize === undefined ? {} : { input_size: backbone.imageSize });
}

async function makeBackbone(spec: BackboneSpec, at: string): Promise<void> {
  const shapes = familyOf(spec).shapes(spec);
  const numbers = (name: string): Float32Array => randomWeight(name, shapes[name] ?? []);
  await mkdir(at);
  await streamSafetensors(join(at, weightsFile), shapes, numbers, { dtype: 'F32' });
  await writeFileAtomic(join(at, configFile), JSON.stringify(specJson(spec)));
}

/** @returns settings that name it */
async function makeData(data: TrainConfig['data'], spec: BackboneSpec): Promise<string[]> {
  const at = join(folder, 'data');
  await mkdir(at);
  switch (data.kind) {
    case 'images':
      await makeImages(spec, at);
      break;
    case 'latents':
      await makeLatents(spec, at);
      break;
    case 'mnist':
    case 'idx':
      throw new Error(`${path}: made-up data of kind ${data.kind} are not needed`);
  }
  const names = [`data.train=${at}`, `data.test=${at}`];
  if (spec.conditioning !== 'captions') return names;
  const captions = join(folder, 'captions');
  await writeCaptions(captions, [caption(examples)], {
    ...{ encoder: 'none', channels: spec.captionChannels, nullCaption: caption(1) },
  });
  return [...names, `data.captions=${captions}`];

  function caption(count: number): EmbeddedCaptions {
    const length = spec.conditioning === 'captions' ? spec.captionTokens : 0;
    const channels = spec.conditioning === 'captions' ? spec.captionChannels : 0;
    const tokens = stream(0, 'captions', count).normals(count * length * channels);
    return { count, length, tokens, mask: new Float32Array(count * length).fill(1) };
  }
}

async function makeImages({ channels, imageSize }: BackboneSpec, at: string): Promise<void> {
  const random = stream(0, 'pixels');
  for (let i = 0; i < examples; i++) {
    const pixels = Uint8Array.from({ length: channels * imageSize ** 2 }, () => 256 * random.uniform());
    const raw = { width: imageSize, height: imageSize, channels: channels as 1 | 3 };
    await sharp(pixels, { raw })
      .png()
      .toFile(join(at, `${i}.png`));
  }
}

async function makeLatents({ channels, imageSize: size }: BackboneSpec, at: string): Promise<void> {
  const length = examples * channels * size ** 2;
  const plain = { mean: stream(0, 'mean').normals(length), logvar: new Float32Array(length).fill(-10) };
  const shape = { channels, size, dtype: 'F16' as const };
  const [file, classes] = ['latents.safetensors', 1];
  await writeLatentShard(join(at, file), { plain, labels: new Int32Array(examples) }, shape, {});
  await writeLatentsIndex(at, {
    ...{ format: 'exithead-latents', version: 1, ...shape, flipped: false, classes, count: examples },
    vae: { scalingFactor: 0.18215, shiftFactor: 0 },
    shards: [{ file, count: examples }],
  });
}
