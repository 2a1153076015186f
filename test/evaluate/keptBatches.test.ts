import { existsSync } from 'node:fs';
import { readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { forgetBatches, keptBatchesIn } from '../../src/evaluate/keptBatches.js';
import { fullDepth, type SamplingWay } from '../../src/evaluate/ways.js';
import { temporaryFolders } from '../folder.js';
import { spec } from '../training/tiny.js';

const makeFolder = temporaryFolders();
const way: SamplingWay = {
  ...fullDepth([90, 0], spec.depth),
  model: { spec, backbone: {}, plans: [{ kind: 'linear', exit: 1 }], heads: {} },
};
const options = { decidedBy: { heads: 'a' }, resume: true, warn: () => undefined };
const key = { way: way.name, seed: 1, from: 2, count: 2 };
const batch = { images: Float32Array.from({ length: 2 * 64 }, (_, i) => Math.fround(i / 7)), seconds: 1 / 3 };

describe('kept batches', () => {
  it('come back to the last bit, seconds among them', async () => {
    const folder = await makeFolder();
    await keptBatchesIn(folder, [way], options).write(key, batch);
    expect(await keptBatchesIn(folder, [way], options).read(key)).toEqual(batch);
  });

  it.each([
    ['another seed', [way], options, { ...key, seed: 2 }],
    ['another place', [way], options, { ...key, from: 0 }],
    ['another size', [way], options, { ...key, count: 1 }],
    ['other heads', [way], { ...options, decidedBy: { heads: 'b' } }, key],
    ['other times', [{ ...way, timesteps: [80, 0] }], options, key],
    ['other exits', [{ ...way, exits: [1, 3] }], options, key],
    ['a call that does not resume', [way], { ...options, resume: false }, key],
  ] as const)('are not those of %s', async (_, ways, other, asked) => {
    const folder = await makeFolder();
    await keptBatchesIn(folder, [way], options).write(key, batch);
    expect(await keptBatchesIn(folder, ways, other).read(asked)).toBeUndefined();
  });

  it('do not depend on heads that a way does not use', async () => {
    const folder = await makeFolder();
    await keptBatchesIn(folder, [way], options).write(key, batch);
    const bare = { ...way, model: { ...way.model, plans: [] } };
    expect(await keptBatchesIn(folder, [bare], options).read(key)).toEqual(batch);
  });

  it('go with their folder, which stays if something else is in it', async () => {
    const folder = join(await makeFolder(), 'samples');
    await forgetBatches(folder);
    await keptBatchesIn(folder, [way], options).write(key, batch);
    await writeFile(join(folder, 'mine-1-2-3.safetensors'), 'mine');
    await forgetBatches(folder);
    expect(await readdir(folder)).toEqual(['mine-1-2-3.safetensors']);
    await rm(join(folder, 'mine-1-2-3.safetensors'));
    await keptBatchesIn(folder, [way], options).write(key, batch);
    await forgetBatches(folder);
    expect(existsSync(folder)).toBe(false);
  });

  it('of other images are refused aloud', async () => {
    const folder = await makeFolder();
    const heard: string[] = [];
    const loud = { ...options, warn: (line: string) => void heard.push(line) };
    await keptBatchesIn(folder, [way], options).write(key, { ...batch, images: new Float32Array(2 * 3) });
    expect(await keptBatchesIn(folder, [way], loud).read(key)).toBeUndefined();
    expect(heard).toEqual([expect.stringMatching(/does not hold 2 x 64 numbers .* are drawn anew\.$/)]);
  });
});
