import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { openBackbone } from '../../src/checkpoints/backbone.js';
import { fingerprintOf } from '../../src/checkpoints/fingerprint.js';
import { openSafetensors } from '../../src/checkpoints/safetensors.js';
import { writeBackbone } from '../../src/checkpoints/writeBackbone.js';
import { UserError } from '../../src/errors.js';
import type { HostTensors } from '../../src/engine/tensors.js';
import { temporaryFolders } from '../folder.js';
import { tinySpec, tinyWeights } from '../tiny-dit.js';

const temporary = temporaryFolders();
const withNumber = (value: number): HostTensors => {
  const data = tinyWeights['blocks.1.mlp.fc1.bias']!.data.slice();
  data[7] = value;
  return { ...tinyWeights, 'blocks.1.mlp.fc1.bias': { shape: [data.length], data } };
};

describe('writeBackbone', () => {
  it('writes a folder that opens as the same backbone', async () => {
    const folder = join(await temporary(), 'new', 'tiny');
    const fingerprint = await writeBackbone(folder, tinySpec, tinyWeights, { metadata: { step: '7' } });
    expect(readdirSync(folder).toSorted()).toEqual(['config.json', 'model.safetensors']);
    expect(fingerprint).toBe(await fingerprintOf(tinyWeights));
    const opened = await openBackbone({ path: folder, weights: 'auto' });
    expect(opened.spec).toEqual(tinySpec);
    expect(opened.fingerprint).toBe(fingerprint);
    const { metadata } = await openSafetensors(join(folder, 'model.safetensors'));
    expect(metadata).toEqual({ format: 'pt', step: '7' });
  });
  it('leaves other files of the folder alone and replaces its own', async () => {
    const folder = await temporary();
    writeFileSync(join(folder, 'README.md'), 'mine');
    writeFileSync(join(folder, 'config.json'), 'old');
    const full = await writeBackbone(folder, tinySpec, tinyWeights, { dtype: 'F32' });
    const half = await writeBackbone(folder, tinySpec, tinyWeights, { dtype: 'F16' });
    expect(half).not.toBe(full);
    expect((await openBackbone({ path: folder, weights: 'auto' })).fingerprint).toBe(half);
    expect(readFileSync(join(folder, 'README.md'), 'utf8')).toBe('mine');
    expect(readdirSync(folder).toSorted()).toEqual(['README.md', 'config.json', 'model.safetensors']);
  });
  it('writes no weights that are missing, not finite, or too large for F16', async () => {
    const folder = await temporary();
    const { pos_embed: _, ...rest } = tinyWeights;
    const refusals: [HostTensors, RegExp][] = [
      [rest, /missing \(1\):\n {4}pos_embed/],
      [withNumber(NaN), /fc1\.bias: 1, the first is NaN at flat index 7/],
      [withNumber(65520), /fc1\.bias as F16: 65520 at flat index 7 is beyond 65504/],
    ];
    for (const [weights, message] of refusals) {
      const writing = writeBackbone(folder, tinySpec, weights, { dtype: 'F16' });
      await expect(writing).rejects.toThrow(message);
      await expect(writing).rejects.toThrow(UserError);
    }
    expect(readdirSync(folder)).toEqual([]);
    await writeBackbone(folder, tinySpec, withNumber(65519), { dtype: 'F16' });
  });
});
