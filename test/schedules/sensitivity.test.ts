import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { UserError } from '../../src/errors.js';
import { ddpmBetas, diffusion } from '../../src/diffusion/betas.js';
import {
  readSensitivity,
  requireMeasuredOn,
  writeSensitivity,
  type Sensitivity,
} from '../../src/schedules/sensitivity.js';
import { sensitivityWeights } from '../../src/training/timeWeights.js';
import { folderWith } from '../config/files.js';

const table: Sensitivity = {
  ...{ format: 'exithead-sensitivity', version: 1, backbone: 'b', heads: 'h', steps: 100 },
  ...{ timesteps: [90, 50, 10], solver: 'ddim', eta: 0, guidance: 1, clip: false },
  ...{ samples: 8, deviation: 0.03 },
  noise: { value: [1, 2, 3], standardError: [0.1, 0.1, 0.1] },
  exit: { exit: 2, value: [8, 4, 2], standardError: [0.1, 0.1, 0.1] },
};
const schedule = diffusion({ ...ddpmBetas, steps: 100 });

async function written(of: Sensitivity = table): Promise<string> {
  const path = join(folderWith({}), 'sensitivity.json');
  await writeSensitivity(path, of);
  return path;
}

describe('a table of sensitivities', () => {
  it('is read as it was written', async () => {
    expect(await readSensitivity(await written())).toEqual(table);
  });

  it('weighs the distance to full depth, with a mean of 1', async () => {
    const weights = await sensitivityWeights(await written(), schedule, 'b');
    expect(weights.reduce((sum, weight) => sum + weight, 0) / 100).toBeCloseTo(1, 5);
    expect([90, 70, 50, 10].map((t) => (weights[t] ?? NaN) / (weights[10] ?? NaN))).toBeAllClose(
      [4, 3, 2, 1],
      1e-6,
    );
    // The error of v is 1 / a times that of epsilon, so it weighs a times as much.
    const v = await sensitivityWeights(
      await written(),
      diffusion({ ...ddpmBetas, steps: 100, prediction: 'v' }),
      'b',
    );
    expect(v).toBeAllClose(
      Array.from(weights, (weight, t) => weight * (schedule.alphasCumprod[t] ?? NaN)),
      1e-6,
    );
  });

  it('is refused where it does not fit', async () => {
    expect(() => requireMeasuredOn(table, 's.json', { backbone: 'b', steps: 1000 })).toThrow(UserError);
    await expect(sensitivityWeights(await written(), schedule, 'another')).rejects.toThrow(
      /was measured on the backbone b over 100 diffusion steps, and this one is another over 100/,
    );
    const path = join(
      folderWith({
        's.json': JSON.stringify({
          ...table,
          timesteps: [10, 50, 90],
          noise: { value: [1], standardError: [1] },
        }),
      }),
      's.json',
    );
    await expect(readSensitivity(path)).rejects.toThrow(
      /timesteps\.1: is 50 after 10[^]*noise\.value: has 1 entries/,
    );
    const none = join(
      folderWith({ 's.json': JSON.stringify({ ...table, exit: { ...table.exit, value: [0, 0, 0] } }) }),
      's.json',
    );
    await expect(readSensitivity(none)).rejects.toThrow('has only zeros: no mistake would count');
  });
});
