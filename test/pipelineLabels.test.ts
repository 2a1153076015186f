import { readFileSync } from 'node:fs';
import { beforeAll, describe, expect, it } from '@jest/globals';
import { initialWeights } from '../src/backbones/init.js';
import { ditSpec } from '../src/backbones/spec.js';
import { writeBackbone } from '../src/checkpoints/writeBackbone.js';
import { moved } from './training/tiny.js';
import { refusalOf, told, workshop, type Json } from './workshop.js';

const { at, heads } = workshop();

const spec = ditSpec({
  ...{ input_size: 8, patch_size: 4, in_channels: 1, hidden_size: 16, depth: 3, num_heads: 2 },
  ...{ mlp_ratio: 4, num_classes: 5, learn_sigma: false, time_steps: 100 },
});

beforeAll(async () => {
  await writeBackbone(at('backbone'), spec, moved(initialWeights(spec, 1), 0.1));
});

/** From heads to pictures. @returns the bundle's own description, and what `sample` told */
async function drawn(name: string, ...set: string[]): Promise<{ bundle: Json; sample: Json; whole: Json }> {
  const few = ['--set', 'train.steps=2', '--set', 'train.checkpointEvery=2', '--engine', 'onnx'];
  const { run } = await told('train', heads, '--out', at(name), ...few, ...set);
  await told('profile', String(run));
  await told('schedule', String(run), '--speedup', '1.1');
  const bundle = at(`${name}-bundle`);
  await told('export', String(run), '--out', bundle);
  const sample = await told('sample', bundle, '-n', '4', '--out', at(`${name}-drawn`));
  const description = JSON.parse(readFileSync(`${bundle}/bundle.json`, 'utf8')) as Json;
  return { bundle: description['backbone'] as Json, sample, whole: await told('inspect', bundle) };
}

describe('heads on a backbone with other classes', () => {
  it('are trained and drawn with those of the config, which the bundle remembers', async () => {
    const { bundle, sample, whole } = await drawn('own', '--set', 'backbone.labels=[4, mean, 0]');
    expect(bundle['labels']).toEqual([4, 'mean', 0]);
    expect(sample['labels']).toEqual([0, 1, 2, 0]);
    expect(whole['spec']).toMatchObject({ classes: 3, nullClass: true });
  });

  it('lie in a bundle with the backbone that has them', async () => {
    const whole = at('whole-bundle');
    await told('export', at('own/001-tiny-heads'), '--out', whole, '--with-backbone');
    const facts = await told('inspect', whole);
    expect(facts).toMatchObject({ source: 'backbone.safetensors', spec: { classes: 3 }, problems: [] });
    const { backbone } = JSON.parse(readFileSync(`${whole}/bundle.json`, 'utf8')) as Json;
    expect(backbone).not.toHaveProperty('labels');
  });

  it('can be of no class at all', async () => {
    const none = ['--set', 'backbone.labels=unconditional', '--set', 'sample.guidance=1'];
    const { bundle, sample, whole } = await drawn('none', ...none);
    expect(bundle['labels']).toBe('unconditional');
    expect(sample['labels']).toEqual([0, 0, 0, 0]);
    expect(whole['spec']).toMatchObject({ classes: 0, nullClass: false });
  });

  it('are refused where the backbone has no such class, or the config no such word', async () => {
    const told = await refusalOf('train', heads, '--dry-run', '--set', 'backbone.labels=[5]');
    expect(told).toMatch(/entry 0 names class 5, but classes are 0 to 4/);
    const word = await refusalOf('train', heads, '--dry-run', '--set', 'backbone.labels=[cat]');
    const whole = await refusalOf('train', heads, '--dry-run', '--set', 'backbone.labels=cat');
    expect(whole).toMatch(/expected unconditional or a list of classes such as \[207, 0-9/);
    expect(word).toMatch(
      /backbone\.labels\.0: found "cat", expected a whole number from 0 to 999999 or several such as 0-9/,
    );
  });
});

describe('exithead convert --labels', () => {
  it('writes a backbone that knows these classes alone', async () => {
    await told('convert', at('backbone'), '--to', 'official', '--labels', '3,0-1,new', '--out', at('four'));
    expect((await told('inspect', at('four')))['spec']).toMatchObject({ classes: 4, nullClass: true });
    const word = await refusalOf(
      'convert',
      at('backbone'),
      '--to',
      'official',
      '--labels',
      'cat',
      '--dry-run',
    );
    expect(word).toMatch(/--labels cat: expected classes with commas between them/);
  });
});
