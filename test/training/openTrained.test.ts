import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { writeBackbone } from '../../src/checkpoints/writeBackbone.js';
import { parseSetting } from '../../src/config/layers.js';
import { Interrupted, UserError } from '../../src/errors.js';
import { headShapes } from '../../src/exits/heads.js';
import { openTrained } from '../../src/training/openTrained.js';
import { temporaryFolders } from '../folder.js';
import { runOf, stopAfter, train, writeProject } from './project.js';
import { livelyWeights, spec } from './tiny.js';

const folder = temporaryFolders();

describe('what a run has trained', () => {
  it('opens as one model, with settings on top', async () => {
    const run = await runOf(await writeProject(await folder()), false);
    await train(run);
    const trained = await openTrained(run.path, [parseSetting('profile.samples=7')]);
    expect(trained.run).toEqual(run);
    expect(trained.config.profile).toMatchObject({ samples: 7, bins: 5 });
    const { model } = trained;
    expect(model.spec).toEqual(spec);
    expect(model.plans.map(({ kind, exit }) => `${kind} ${exit}`)).toEqual(['adapter 1', 'adapter 2']);
    const names = model.plans.flatMap((plan) => Object.keys(headShapes(spec, plan)));
    expect(Object.keys(model.heads).toSorted()).toEqual(names.toSorted());
  });

  it('is refused with other exits than its times were trained at', async () => {
    const run = await runOf(
      await writeProject(await folder()),
      false,
      'mode=finetune',
      'heads.kind=shared',
      'heads.exits=all',
    );
    await train(run);
    await expect(openTrained(run.path, [parseSetting('finetune.exits=[3,2]')])).rejects.toThrow(
      'was trained at the exits of its own section finetune',
    );
  });

  it('is refused while training is not finished', async () => {
    const run = await runOf(await writeProject(await folder()), false);
    await expect(train(run, stopAfter(7))).rejects.toThrow(Interrupted);
    await expect(openTrained(run.path)).rejects.toThrow(UserError);
    await expect(openTrained(run.path)).rejects.toThrow(
      `its training is not finished. Go on with \`exithead train ${run.path} --resume\``,
    );
  });

  it('is refused when its backbone has changed since', async () => {
    const path = await writeProject(await folder());
    const run = await runOf(path, false, 'train.steps=1');
    await train(run);
    await writeBackbone(join(path, '..', 'backbone'), spec, livelyWeights(spec, 2));
    await expect(openTrained(run.path)).rejects.toThrow(UserError);
    await expect(openTrained(run.path)).rejects.toThrow('was made for the backbone with fingerprint');
  });
});
