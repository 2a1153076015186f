import { describe, expect, it } from '@jest/globals';
import { readFileSync } from 'node:fs';
import { exithead, refusalOf, told, workshop } from '../workshop.js';

const { at, pretrain, heads } = workshop();
const out = at('runs');

describe('exithead uncertainty', () => {
  it('trains and checks uncertainty heads, which a bundle carries and samples leave by', async () => {
    const made = await told('pretrain', pretrain, '--out', out, '--set', 'train.steps=6');
    await told('train', heads, '--out', out, '--set', `backbone.path=${String(made['backbone'])}`);
    const run = at('runs', '002-tiny-heads');
    await told('profile', run);
    await told('schedule', run);
    const bundle = at('bundle');
    await told('export', run, '--out', bundle);
    expect(await refusalOf('sample', bundle, '--per-sample', '1', '-n', '2')).toMatch(
      /has no uncertainty.safetensors.*Run `exithead uncertainty` on its run/s,
    );

    const small = ['--set', 'uncertainty.steps=4', '--samples', '60'];
    const { dryRun, trainable } = await told('uncertainty', run, ...small, '--dry-run');
    expect({ dryRun, trainable }).toEqual({ dryRun: true, trainable: 2 * (16 * (32 + 64 + 2) + 16 + 1) });
    const { table, verdict } = await told('uncertainty', run, ...small);
    expect(table).toMatchObject({ format: 'exithead-calibration', samples: 60, form: 'log-excess' });
    expect(verdict).toMatch(/constant per time and exit/);
    const first = readFileSync(at('runs', '002-tiny-heads', 'uncertainty.safetensors'));
    // All is done, so going on changes nothing.
    await told('uncertainty', run, ...small, '--resume');
    expect(readFileSync(at('runs', '002-tiny-heads', 'uncertainty.safetensors'))).toEqual(first);

    const judged = at('judged');
    await told('export', run, '--out', judged);
    const draw = ['sample', judged, '-n', '3', '--steps', '4', '--compare', '--out', at('samples')];
    const full = await told(...draw, '--per-sample', '0');
    expect(full['drift']).toBeLessThan(1e-9);
    // Asking costs something.
    expect(full['depthUsed']).toBeGreaterThan(1);
    const least = await told(...draw, '--per-sample', '1e9');
    expect(least['depthUsed']).toBeLessThan(0.6);
    const { out: text } = await exithead([...draw, '--per-sample', '1e9']);
    expect(text).toContain('samples left 12 times at exit 1');
    expect(await refusalOf(...draw, '--per-sample', '1', '--depth-used', '0.7')).toMatch(
      'leave one of them out',
    );
  });
});
