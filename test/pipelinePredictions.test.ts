import { cpSync, readFileSync } from 'node:fs';
import { beforeAll, describe, expect, it } from '@jest/globals';
import { readErrorTable } from '../src/schedules/errorTable.js';
import { lossesIn, refusalOf, told, workshop, type Json } from './workshop.js';

const { at, pretrain, heads } = workshop();
const set = ['--set', 'diffusion.prediction=flow'];
const made: Record<string, Json> = {};

beforeAll(async () => {
  made['pretrain'] = await told('pretrain', pretrain, '--out', at('runs'), ...set);
  cpSync(at('runs/001-tiny-pretrain/backbone'), at('backbone'), { recursive: true });
  made['train'] = await told('train', heads, '--out', at('runs'), ...set);
  const run = String(made['train']['run']);
  await told('profile', run);
  await told('schedule', run);
  await told('export', run, '--out', at('bundle'));
});

describe('a backbone that predicts flow', () => {
  it('learns, and says in its config.json what it predicts', async () => {
    const losses = lossesIn(at('runs/001-tiny-pretrain/metrics.jsonl'));
    expect(losses.at(-1)).toBeLessThan(0.8 * (losses[0] ?? NaN));
    const config = JSON.parse(readFileSync(at('backbone/config.json'), 'utf8')) as Json;
    expect(config['prediction']).toBe('flow');
    expect(await told('inspect', at('backbone'))).toMatchObject({ spec: { prediction: 'flow' } });
  });

  it('has errors in units of the noise, which are near 1 where nothing else is in x', async () => {
    const { error } = await readErrorTable(`${String(made['train']?.['run'])}/error-table.json`);
    const full = error.mean.at(-1) ?? [];
    expect(full.at(-1)).toBeLessThan(1);
    expect(full.every((value) => value !== null && value > 0 && value < 3)).toBe(true);
  });

  it('draws from its bundle, which says so, too', async () => {
    const { diffusion } = JSON.parse(readFileSync(at('bundle/bundle.json'), 'utf8')) as Json;
    expect(diffusion).toMatchObject({ prediction: 'flow' });
    const drawing = await told('sample', at('bundle'), '-n', '4', '--compare', '--out', at('drawn'));
    expect(Number(drawing['drift'])).toBeLessThan(1);
  });

  it('is refused by a config that says otherwise', async () => {
    expect(await refusalOf('train', heads, '--out', at('runs'))).toMatch(
      /diffusion\.prediction is epsilon, but the backbone .* predicts flow\. Set diffusion as the backbone was trained/,
    );
  });
});
