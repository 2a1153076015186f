import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { parsePretrain } from '../../src/config/parse.js';
import { ddpmBetas, diffusion } from '../../src/diffusion/betas.js';
import { UserError } from '../../src/errors.js';
import { accumulator } from '../../src/schedules/measure.js';
import { writeErrorTable } from '../../src/schedules/errorTable.js';
import { timeBins } from '../../src/schedules/timeBins.js';
import { timesRule, timeWeights } from '../../src/training/timeWeights.js';
import { folderWith } from '../config/files.js';

const process = diffusion({ ...ddpmBetas, steps: 100 });
const snr = Array.from(process.alphasCumprod, (a) => a / (1 - a));
const lossOf = (loss: object) =>
  parsePretrain({
    backbone: { imageSize: 8, channels: 1, patch: 4, depth: 1, width: 4, heads: 1, classes: 1 },
    data: { kind: 'mnist' },
    train: { steps: 1 },
    loss,
  }).loss;
const weights = (loss: object) => timeWeights(lossOf(loss), process);

/** An error table of full depth alone, whose error in bin b is b + 1; the last bins may be empty. */
async function errorTable(measured: number, steps = 100, guidance?: number): Promise<string> {
  const noise = diffusion({ ...ddpmBetas, steps });
  const bins = timeBins(noise, 4);
  const exits = [{ exit: 1, kind: 'backbone' as const, macs: 1 }];
  const table = accumulator({ backbone: 'b', heads: 'h', bins, exits }, noise);
  bins.slice(0, measured).forEach(({ from }, bin) => {
    table.add({ t: from, exits: [{ squaredToNoise: bin + 1, squaredToFull: 0 }] });
  });
  const path = join(folderWith({}), 'error-table.json');
  await writeErrorTable(path, { ...table.table(), ...(guidance && { guidance }) });
  return path;
}

describe('the weights of times', () => {
  it.each<[object, (snr: number) => number]>([
    [{}, () => 1],
    [{ lambda: 'snr' }, () => 1],
    [{ lambda: 'min-snr' }, (r) => Math.min(r, 5) / r],
    [{ lambda: 'soft-min-snr', gamma: 2 }, (r) => 2 / (r + 2)],
    [{ lambda: 'p2' }, (r) => 1 / (1 + r)],
    [{ lambda: 'p2', p2K: 2, p2Gamma: 0.5 }, (r) => (2 + r) ** -0.5],
    [{ lambda: 'edm' }, (r) => 1 + 4 / r],
    [{ lambda: 'edm', sigmaData: 1 }, (r) => 1 + 1 / r],
  ])('are what a config says: %j', async (loss, closed) => {
    const found = await weights(loss);
    expect(Array.from(found, (weight, t) => weight / closed(snr[t] ?? NaN))).toBeAllClose(
      snr.map(() => 1),
      1e-6,
    );
  });

  it('come from a table', async () => {
    const table = join(folderWith({ 'w.csv': 't,weight\n0,1\n99,100\n' }), 'w.csv');
    expect(await weights({ lambda: 'table', table })).toBeAllClose(
      snr.map((_, t) => t + 1),
      1e-5,
    );
  });

  it('come from measured errors, bin by bin', async () => {
    // The mean of 1, 1/2, 1/3 and 1/4 is 25/48.
    const found = await weights({ lambda: 'error', errorTable: await errorTable(4) });
    expect(found).toBeAllClose(
      snr.map((_, t) => 48 / 25 / (Math.floor(t / 25) + 1)),
      1e-6,
    );
  });

  it('are refused where the errors do not cover the diffusion', async () => {
    const few = weights({ lambda: 'error', errorTable: await errorTable(3) });
    await expect(few).rejects.toThrow(UserError);
    await expect(few).rejects.toThrow(
      'has no error of full depth at t 75 to 99 (no sample was measured there)',
    );
    const other = weights({ lambda: 'error', errorTable: await errorTable(4, 1000) });
    await expect(other).rejects.toThrow('was measured over 1000 diffusion steps, and diffusion.steps is 100');
  });

  it('are refused where the errors are of another backbone, or of guided predictions', async () => {
    const lossWith = async (guidance?: number) =>
      lossOf({ lambda: 'error', errorTable: await errorTable(4, 100, guidance) });
    await expect(timeWeights(await lossWith(), process, 'b')).resolves.toHaveLength(100);
    await expect(timeWeights(await lossWith(), process, 'other')).rejects.toThrow(
      'was measured on the backbone b over 100 diffusion steps, and this one is other over 100.',
    );
    await expect(timeWeights(await lossWith(2), process, 'b')).rejects.toThrow('has errors after guidance 2');
  });
});

describe('the rule of times', () => {
  it.each([
    [{}, { kind: 'stratified' }],
    [{ times: 'independent' }, { kind: 'independent' }],
    [
      { times: 'log-normal', timesStd: 2 },
      { kind: 'log-normal', mean: -1.2, deviation: 2 },
    ],
  ])('is what a config says: %j', (loss, rule) => {
    expect(timesRule(lossOf(loss))).toEqual(rule);
  });
});
