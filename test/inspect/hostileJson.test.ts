import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from '@jest/globals';
import { writeSafetensors } from '../../src/checkpoints/safetensors.js';
import { writeLatentShard } from '../../src/data/latentShard.js';
import { writeLatentsIndex } from '../../src/data/latentsIndex.js';
import { writeCaptions } from '../../src/data/writeCaptions.js';
import { UserError } from '../../src/errors.js';
import { inspect } from '../../src/inspect/inspect.js';
import { stream } from '../../src/random.js';
import { bounded } from '../checkpoints/bounded.js';
import { damagedText } from '../checkpoints/mutations.js';
import { fixturePath, fixtureTensors } from '../fixtures.js';
import { told, workshop } from '../workshop.js';

const { at, pretrain, heads } = workshop();

beforeAll(async () => {
  const quick = ['--out', at('runs'), '--set', 'train.steps=1'];
  const { backbone } = await told('pretrain', pretrain, ...quick);
  cpSync(String(backbone), at('backbone'), { recursive: true });
  await told('train', heads, ...quick, '--set', 'heads.kind=linear');
  const run = at('runs/002-tiny-heads');
  await told('profile', run, '--samples', '20');
  await told('profile', run, '--samples', '20', '--shard', '1/1');
  await told('profile', run, '--trajectories', '--set', 'profile.trajectories=2', '--set', 'schedule.steps=3');
  await told('schedule', run);
  await told('export', run, '--out', at('bundle'));
  await told('export', run, '--out', at('graphs'), '--onnx');
  for (const name of ['schedule.json', 'error-table.json', 'error-table.1-of-1.json', 'trajectories.json'])
    cpSync(join(run, name), at(name));

  mkdirSync(at('latents'));
  const gaussian = { mean: new Float32Array(2 * 4 * 4), logvar: new Float32Array(2 * 4 * 4) };
  const shape = { channels: 4, size: 2, dtype: 'F32' } as const;
  const file = 'latents-00000.safetensors';
  await writeLatentShard(at('latents', file), { plain: gaussian, labels: Int32Array.of(0, 1) }, shape, {});
  await writeLatentsIndex(at('latents'), {
    ...{ format: 'exithead-latents', version: 1, ...shape, flipped: false, classes: 2, count: 2 },
    vae: { scalingFactor: 0.18215, shiftFactor: 0 },
    shards: [{ file, count: 2 }],
  });

  const caption = (count: number) => ({
    ...{ count, length: 2, tokens: new Float32Array(count * 6), mask: new Float32Array(count * 2).fill(1) },
  });
  await writeCaptions(at('captions'), [caption(2)], { encoder: 'made', channels: 3, nullCaption: caption(1) });

  mkdirSync(at('dit'));
  for (const name of ['config.json', 'control.safetensors'])
    cpSync(fixturePath(`bad/${name}`), at('dit', name.replace('control', 'model')));
  const tensors = fixtureTensors('bad/control.safetensors');
  mkdirSync(at('shards'));
  cpSync(fixturePath('bad/config.json'), at('shards/config.json'));
  const names = Object.keys(tensors);
  const half = (from: number, to: number) =>
    Object.fromEntries(names.slice(from, to).map((name) => [name, tensors[name] ?? { shape: [], data: new Float32Array(1) }]));
  await writeSafetensors(at('shards/a.safetensors'), half(0, 20));
  await writeSafetensors(at('shards/b.safetensors'), half(20, names.length));
  writeFileSync(
    at('shards/model.safetensors.index.json'),
    JSON.stringify({ weight_map: Object.fromEntries(names.map((name, i) => [name, i < 20 ? 'a.safetensors' : 'b.safetensors'])) }),
  );
}, 120_000); // prettier-ignore

interface Seed {
  readonly name: string;
  /** What is mutated, and what is inspected. */
  readonly file: string;
  readonly folder: string;
  readonly kind: string;
  readonly count: number;
}
const seed = (folder: string, name: string, kind: string, count: number, isFolder = true): Seed => ({
  ...{ name, kind, count },
  file: at(folder, name),
  folder: isFolder ? at(folder) : at(folder, name),
});
const seeds: readonly Seed[] = [
  seed('bundle', 'bundle.json', 'bundle', 1000),
  seed('graphs/onnx', 'manifest.json', 'onnx graphs', 200),
  seed('.', 'schedule.json', 'schedule', 1000, false),
  seed('.', 'error-table.json', 'error table', 1000, false),
  seed('.', 'error-table.1-of-1.json', 'part of an error table', 100, false),
  seed('.', 'trajectories.json', 'trajectories', 100, false),
  seed('latents', 'index.json', 'latents', 1000),
  seed('captions', 'captions.json', 'captions', 1000),
  seed('dit', 'config.json', 'backbone', 500),
  seed('shards', 'model.safetensors.index.json', 'backbone', 500),
  seed('.', 'heads.yaml', 'config', 1000, false),
];

describe('mutated texts', () => {
  it.each(seeds)(
    '$count of $name are read as what they were, or refused',
    async ({ name, file, folder, kind, count }) => {
      expect((await inspect(folder)).kind).toBe(kind);
      const sound = readFileSync(file, 'utf8');
      let refused = 0;
      for (let i = 0; i < count; i++) {
        writeFileSync(file, damagedText(stream(1, `mutants of ${name}`, i), sound));
        const found = await bounded(`mutant ${i} of ${name}`, () =>
          inspect(folder).then(
            (inspected) => inspected.kind,
            (error: unknown) => {
              if (!(error instanceof UserError)) throw error;
              return 'refused' as const;
            },
          ),
        );
        // A backbone may no longer fit its config.
        expect([kind, `unfit ${kind}`, 'refused']).toContain(found);
        refused += Number(found === 'refused');
      }
      writeFileSync(file, sound);
      expect(refused).toBeGreaterThan(count / 4);
    },
    300_000,
  );
});
