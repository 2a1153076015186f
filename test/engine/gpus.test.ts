import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from '@jest/globals';
import { visibleGpus } from '../../src/engine/gpus.js';
import { temporaryFolders } from '../folder.js';

const folder = temporaryFolders();
const path = process.env.PATH;
afterEach(() => {
  process.env.PATH = path;
});

describe('the GPUs that the driver shows', () => {
  it('are those that nvidia-smi names', async () => {
    const bin = await folder();
    writeFileSync(join(bin, 'nvidia-smi'), '#!/bin/sh\nprintf "NVIDIA A100\\nNVIDIA H100 PCIe\\n"\n');
    chmodSync(join(bin, 'nvidia-smi'), 0o755);
    process.env.PATH = bin;
    expect(await visibleGpus({})).toEqual(['NVIDIA A100', 'NVIDIA H100 PCIe']);
    expect(await visibleGpus({ CUDA_VISIBLE_DEVICES: '0' })).toHaveLength(2);
  });

  it.each(['', '-1'])('are none where CUDA_VISIBLE_DEVICES is %p', async (visible) => {
    expect(await visibleGpus({ CUDA_VISIBLE_DEVICES: visible })).toEqual([]);
  });
});
