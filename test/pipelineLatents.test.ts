import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from '@jest/globals';
import sharp from 'sharp';
import { writeBundle } from '../src/bundle/bundle.js';
import { openBackbone } from '../src/checkpoints/backbone.js';
import { fingerprintOf } from '../src/checkpoints/fingerprint.js';
import { writeSafetensors } from '../src/checkpoints/safetensors.js';
import { onnxEngine } from '../src/engine/onnx.js';
import { sizeOf } from '../src/engine/tensors.js';
import { initialHeads, type HeadPlan } from '../src/exits/heads.js';
import { stream } from '../src/random.js';
import { imageGrid } from '../src/report/grid.js';
import { solveSchedule } from '../src/schedules/solve.js';
import { openVaeDecoder } from '../src/vae/decoder.js';
import { openVae } from '../src/vae/openVae.js';
import { vaeShapes } from '../src/vae/shapes.js';
import { readVaeSpec } from '../src/vae/spec.js';
import { fixturePath, pick, tensorsIn } from './fixtures.js';
import { madeTable } from './schedules/tables.js';
import { tinyWeights } from './tiny-dit.js';
import { folder as fourChannels, tinyJson } from './tiny-vae.js';
import { exithead, listing, refusalOf, told, workshop, type Json } from './workshop.js';

const { at, pretrain } = workshop();
/** The images of the workshop, 8 x 8 of one channel, serve as latents. */
const vaePath = at('vae');
const json = { ...tinyJson, latent_channels: 1 };
const withVae = ['--set', `vae.path=${vaePath}`];
const quick = ['--set', 'train.steps=4', '--set', 'train.checkpointEvery=2', '--set', 'train.logEvery=2'];

async function putVae(path: string, seed: number): Promise<void> {
  mkdirSync(path, { recursive: true });
  const weights = Object.entries(vaeShapes(readVaeSpec(json, 'config.json'))).map(([name, shape]) => {
    const bound = shape.length > 1 ? 1 / Math.sqrt(sizeOf(shape.slice(1))) : 0.1;
    return [
      name,
      {
        shape,
        data: stream(seed, name)
          .normals(sizeOf(shape))
          .map((x) => x * bound),
      },
    ] as const;
  });
  await writeSafetensors(join(path, 'diffusion_pytorch_model.safetensors'), Object.fromEntries(weights));
  writeFileSync(join(path, 'config.json'), JSON.stringify(json));
}

const sizeOfPicture = async (path: string): Promise<unknown> => {
  const { width, height, channels } = await sharp(path).metadata();
  return [width, height, channels];
};

beforeAll(async () => {
  await putVae(vaePath, 1);
  await putVae(at('other-vae'), 2);
  const { backbone } = await told('pretrain', pretrain, '--out', at('runs'), ...quick);
  writeFileSync(
    at('latent-heads.yaml'),
    `extends: heads.yaml\nbackbone: { path: ${String(backbone)} }\nvae: { path: vae }\n`,
  );
  const { run } = await told('train', at('latent-heads.yaml'), '--out', at('runs'), ...quick);
  await told('profile', String(run));
  await told('schedule', String(run));
  await told('export', String(run), '--out', at('bundle'));
});

const draw = (bundle: string, ...words: string[]): Promise<Json> =>
  told('sample', bundle, '-n', '4', '--steps', '3', ...words);

describe('a pipeline on latents', () => {
  it('records the autoencoder in the bundle, as seen from there', async () => {
    const { fingerprint } = await openVae(vaePath);
    const bundle = JSON.parse(readFileSync(at('bundle', 'bundle.json'), 'utf8')) as Json;
    expect(bundle['vae']).toEqual({ source: '../vae', fingerprint });
    expect(readFileSync(at('bundle', 'README.md'), 'utf8')).toContain('the autoencoder `../vae`');
  });

  it('makes pictures of what a bundle draws: those of its latents', async () => {
    const drawn = await draw(at('bundle'), '--compare', '--out', at('pictures'));
    const { fingerprint, spec } = await openVae(vaePath);
    const pictures = { kind: 'decoded', vae: vaePath, fingerprint, tile: null, imageSize: 16 };
    expect(drawn).toMatchObject({ pictures, driftOf: 'latents' });
    expect(readdirSync(at('pictures')).sort()).toEqual(['full-depth.png', 'scheduled.png']);

    await draw(at('bundle'), '--compare', '--latents', '--out', at('latents'));
    const kept = tensorsIn(at('latents', 'latents.safetensors'));
    expect(pick(kept, 'latents').shape).toEqual([4, 1, 8, 8]);
    expect([...pick(kept, 'label').data]).toEqual([0, 1, 2, 0]);
    const engine = onnxEngine({ threads: 1, reason: 'test' });
    const decoder = await openVaeDecoder(engine, await openVae(vaePath), { latentSize: 8 });
    for (const [name, file] of [
      ['latents', 'scheduled.png'],
      ['full_depth', 'full-depth.png'],
    ] as const) {
      const images = await decoder.decode(Float32Array.from(pick(kept, name).data));
      const { png } = await imageGrid(images, { channels: spec.imageChannels, imageSize: 16, columns: 8 });
      expect(readFileSync(at('pictures', file)).equals(png)).toBe(true);
    }
    await decoder.dispose();
  });

  it('says in a dry run what becomes of the samples, and writes nothing', async () => {
    const { out } = await exithead(['sample', at('bundle'), '-n', '4', '--dry-run', '--out', at('dry')]);
    expect(out).toContain(`pictures of 16 x 16 by the autoencoder ${vaePath}`);
    const latents = await draw(at('bundle'), '--latents', '--dry-run', '--out', at('dry'));
    expect(latents['pictures']).toEqual({ kind: 'latents', channels: 1, imageSize: 8 });
    expect(listing(at())).not.toContain('dry');
  });

  it('takes another autoencoder, says so, and decodes in tiles if asked to', async () => {
    const { err, code } = await exithead(
      [
        'sample',
        at('bundle'),
        '-n',
        '2',
        '--steps',
        '2',
        '--vae',
        at('other-vae'),
        '--out',
        at('other'),
      ].concat(['--set', 'vae.tile=4']),
    );
    expect(code).toBe(0);
    expect(err).toMatch(
      /warning: the autoencoder .*other-vae has fingerprint \w{12}, that of the bundle \w{12}/,
    );
    expect(await sizeOfPicture(at('other', 'scheduled.png'))).toEqual([2 * 33, 2 * 16, 3]);
  });

  it('refuses an autoencoder of other latents, and one that is gone, and says what to do', async () => {
    expect(await refusalOf('sample', at('bundle'), '--vae', fourChannels)).toMatch(
      /decodes latents of 4 channels, but the backbone draws 1/,
    );
    expect(await refusalOf('train', at('latent-heads.yaml'), '--set', `vae.path=${fourChannels}`)).toMatch(
      /decodes latents of 4 channels/,
    );
    await putVae(at('lost'), 3);
    const path = at('lost-bundle');
    mkdirSync(path);
    for (const name of readdirSync(at('bundle')))
      writeFileSync(join(path, name), readFileSync(at('bundle', name)));
    const description = readFileSync(at('bundle', 'bundle.json'), 'utf8').replace('"../vae"', '"../lost"');
    writeFileSync(join(path, 'bundle.json'), description);
    rmSync(at('lost'), { recursive: true });
    expect(await refusalOf('sample', path)).toMatch(
      /names its autoencoder as \.\.\/lost, which cannot be opened: .* Give its place with --vae, or take latents with --latents\./,
    );
    await draw(path, '--latents', '--out', at('still'));
    expect(readdirSync(at('still'))).toEqual(['latents.safetensors']);
  });

  it('previews a backbone in the making by pictures, and refuses previews of latents without them', async () => {
    const previews = [...quick, '--set', 'train.sampleEvery=2', '--set', 'sample.count=2'];
    const { run } = await told('pretrain', pretrain, '--out', at('previews'), ...previews, ...withVae);
    const file = join(String(run), 'samples', 'step-4.png');
    expect(await sizeOfPicture(file)).toEqual([2 * 33, 2 * 16, 3]);
    expect(await refusalOf('pretrain', pretrain, ...previews, '--set', 'backbone.channels=4')).toMatch(
      /train\.sampleEvery: found 2, expected 0: latents of 4 channels are no pictures; or set vae\.path/,
    );
  });
});

describe('a bundle whose backbone draws latents of four channels', () => {
  const plans: readonly HeadPlan[] = [{ kind: 'linear', exit: 2 }];
  const dit = fixturePath('dit');
  const path = at('four');

  beforeAll(async () => {
    const { spec, fingerprint } = await openBackbone({ path: dit, weights: 'auto' });
    const headWeights = initialHeads(spec, plans, tinyWeights, 1);
    const exits = [
      { exit: 2, kind: 'linear', macs: 30 },
      { exit: spec.depth, kind: 'backbone', macs: 90 },
    ] as const;
    const table = {
      ...madeTable([[0.5, 0.4], [0, 0]], exits), // prettier-ignore
      backbone: fingerprint,
      heads: await fingerprintOf(headWeights),
    };
    await writeBundle(path, {
      ...{ plans, heads: headWeights },
      backbone: { spec, source: dit, fingerprint, frozenPrecision: 'fp32' },
      diffusion: {
        ...{ prediction: 'epsilon', betas: 'linear', betaStart: 1e-4, betaEnd: 0.02, steps: 1000 },
        ...{ timeAxis: 'discrete', guidance: 1, clip: false },
      },
      schedule: solveSchedule({ table, timesteps: [900, 100] }, 1.2),
    });
  });

  it('leaves the latents themselves, and says how to get pictures', async () => {
    const { code, out } = await exithead(['sample', path, '-n', '2', '--out', at('four-latents')]);
    expect(code).toBe(0);
    expect(out).toMatch(/latents of 4 x 8 x 8/);
    expect(out).toMatch(/a picture has 1 or 3 channels, and these have 4: .* --vae/);
    const { latents, label } = tensorsIn(at('four-latents', 'latents.safetensors'));
    expect(latents?.shape).toEqual([2, 4, 8, 8]);
    expect(Array.from(latents?.data ?? [NaN]).every(Number.isFinite)).toBe(true);
    expect([...(label?.data ?? [])]).toEqual([0, 1]);
  });

  it('makes pictures with the autoencoder that is given', async () => {
    const drawn = await draw(path, '--vae', fourChannels, '--out', at('four-pictures'));
    expect(drawn['files']).toEqual([at('four-pictures', 'scheduled.png')]);
    expect(await sizeOfPicture(at('four-pictures', 'scheduled.png'))).toEqual([2 * 67, 2 * 16, 3]);
  });
});
