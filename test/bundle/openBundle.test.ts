import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from '@jest/globals';
import { writeBundle } from '../../src/bundle/bundle.js';
import { openBundle } from '../../src/bundle/openBundle.js';
import { openBackbone } from '../../src/checkpoints/backbone.js';
import { fingerprintOf } from '../../src/checkpoints/fingerprint.js';
import type { WeightsChoice } from '../../src/checkpoints/torch.js';
import { UserError } from '../../src/errors.js';
import { initialHeads, type HeadPlan } from '../../src/exits/heads.js';
import { solveSchedule } from '../../src/schedules/solve.js';
import { fixturePath } from '../fixtures.js';
import { scratch } from '../scratch.js';
import { madeTable } from '../schedules/tables.js';
import { tinySpec, tinyWeights } from '../tiny-dit.js';

const { path } = scratch();
const plans: readonly HeadPlan[] = [{ kind: 'linear', exit: 2 }];
const heads = initialHeads(tinySpec, plans, tinyWeights, 1);
const measured = [
  { exit: 2, kind: 'linear', macs: 30 },
  { exit: 6, kind: 'backbone', macs: 90 },
] as const;
const config = fixturePath('dit/config.json');

/** A bundle whose backbone is this file, `which` of its weights being meant. */
async function bundleOf(file: string, which: WeightsChoice): Promise<string> {
  const { spec, fingerprint } = await openBackbone({ path: path(file), weights: which, config });
  const table = {
    ...madeTable([[0.5, 0.4], [0, 0]], measured),
    backbone: fingerprint,
    heads: await fingerprintOf(heads),
  }; // prettier-ignore
  const folder = path(`bundle-${file}-${which}`);
  await writeBundle(folder, {
    ...{ plans, heads },
    backbone: { spec, source: `../${file}`, fingerprint, frozenPrecision: 'fp32' },
    diffusion: {
      ...{ prediction: 'epsilon', betas: 'linear', betaStart: 1e-4, betaEnd: 0.02, steps: 1000 },
      ...{ timeAxis: 'discrete', guidance: 1, clip: false },
    },
    schedule: solveSchedule({ table, timesteps: [900, 100] }, 1.2),
  });
  return folder;
}

beforeAll(() => {
  // Checkpoints that stand alone, as published ones do: no config.json beside them.
  for (const name of ['model.pt', 'model_plain.pt', 'model.safetensors'])
    copyFileSync(fixturePath(`dit/${name}`), path(name));
});

describe('a bundle', () => {
  it.each<[string, WeightsChoice]>([
    ['model.pt', 'ema'],
    ['model.pt', 'model'],
    ['model_plain.pt', 'auto'],
    ['model.safetensors', 'auto'],
  ])('finds the weights that it was made for in %s alone: %s', async (file, which) => {
    const { bundle, model } = await openBundle(await bundleOf(file, which));
    expect(await fingerprintOf(model.backbone)).toBe(bundle.backbone.fingerprint);
    expect(model.spec).toEqual(tinySpec);
    expect(model.plans).toEqual(plans);
    expect(Object.keys(model.heads).sort()).toEqual(Object.keys(heads).sort());
  });

  it('takes the same weights from another place', async () => {
    const folder = await bundleOf('model.pt', 'model');
    mkdirSync(path('elsewhere'));
    copyFileSync(path('model.safetensors'), path('elsewhere/model.safetensors'));
    const { model } = await openBundle(folder, { path: path('elsewhere'), weights: 'auto' });
    expect(await fingerprintOf(model.backbone)).toBe(await fingerprintOf(tinyWeights));
  });

  it('refuses other weights with both fingerprints', async () => {
    const folder = await bundleOf('model.safetensors', 'auto');
    const opening = openBundle(folder, { path: path('model_plain.pt'), weights: 'auto' });
    await expect(opening).rejects.toThrow(UserError);
    await expect(opening).rejects.toThrow(
      /made for the backbone with fingerprint \w{64}, but this backbone has \w{64}/,
    );
  });

  it('names the backbone that it misses, and what to do', async () => {
    copyFileSync(path('model.safetensors'), path('gone.safetensors'));
    const folder = await bundleOf('gone.safetensors', 'auto');
    writeFileSync(path('gone.safetensors'), 'no weights');
    const opening = openBundle(folder);
    await expect(opening).rejects.toThrow(UserError);
    await expect(opening).rejects.toThrow(
      /names its backbone as \.\.\/gone\.safetensors, which cannot be opened/,
    );
    await expect(opening).rejects.toThrow(/Give its place with --backbone\.$/);
    // Where the user gave the place, the flag is not what is missing.
    const given = openBundle(folder, { path: join(folder, 'nowhere'), weights: 'auto' });
    await expect(given).rejects.toThrow(/nowhere is not there/);
    await expect(given).rejects.not.toThrow(/--backbone/);
  });
});
