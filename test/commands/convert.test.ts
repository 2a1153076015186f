import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { openBackbone } from '../../src/checkpoints/backbone.js';
import { fingerprintOf } from '../../src/checkpoints/fingerprint.js';
import type { Weights } from '../../src/engine/tensors.js';
import { fixturePath } from '../fixtures.js';
import { scratch } from '../scratch.js';
import { exithead, refusalOf, told } from '../workshop.js';

const { path } = scratch();
const [official, theirs] = [fixturePath('dit'), fixturePath('diffusers/dit')];

describe('exithead convert', () => {
  it('writes the other layout, and says what its code computes otherwise', async () => {
    const out = path('digits');
    const { code, out: text } = await exithead([
      'convert',
      'models/mnist-dit',
      '--to',
      'diffusers',
      '--out',
      out,
    ]);
    expect(code).toBe(0);
    expect(text).toMatch(/^DiT-12x128\/4 from models\/mnist-dit, in the layout official\nnot equivalent: /);
    expect(text).toMatch(/divided by 128 here and by 127 there; the cosine .* 0\.49 at t = 999/);
    expect(text).toMatch(/positions: those of the file are rounded otherwise, by up to 0\.0002\d/);
    expect(text).toContain('DiTPipeline takes label 1000 as no class, which is 10 here');
    const written = await told('inspect', out);
    expect(written).toMatchObject({ layout: 'diffusers', spec: { timeShift: 0, embedders: 'shared' } });
    // And back.
    const back = await told('convert', out, '--to', 'official', '--out', path('back'));
    expect(back).toMatchObject({ from: 'diffusers', to: 'official', equivalent: true, differences: [] });
    const [before, after] = await Promise.all(
      ['models/mnist-dit', path('back')].map((at) => openBackbone({ path: at, weights: 'auto' })),
    );
    // The weights are in half precision, the positions now exact.
    const rest = ({ pos_embed: _, ...weights }: Weights): Promise<string> => fingerprintOf(weights);
    expect(await rest(after!.weights)).toBe(await rest(before!.weights));
  }, 120_000);

  it('says the same and writes nothing in a dry run', async () => {
    const out = path('never');
    const said = await told('convert', official, '--to', 'diffusers', '--out', out, '--dry-run');
    expect(said).toMatchObject({ written: null, equivalent: false, from: 'official', to: 'diffusers' });
    expect(existsSync(out)).toBe(false);
    expect((await exithead(['convert', official, '--to', 'diffusers', '--dry-run'])).out).toMatch(
      /would write config\.json and diffusion_pytorch_model\.safetensors \(120 tensors, /,
    );
  });

  it('tells how to give what is missing, and why not', async () => {
    expect(await refusalOf('convert', official)).toMatch(/needs --to.*--to diffusers --out converted$/);
    expect(await refusalOf('convert', official, '--to', 'diffusers')).toMatch(/needs --out/);
    expect(await refusalOf('convert', theirs, '--to', 'official', '--out', path('no'))).toMatch(
      /blocks 2, 3 have/,
    );
    expect(existsSync(path('no'))).toBe(false);
  });
});

describe('exithead inspect of a DiT of diffusers', () => {
  it('says whose layout it is, and all that is unlike the official code', async () => {
    const { out } = await exithead(['inspect', theirs]);
    expect(out).toMatch(/^DiT-3x48\/2, a backbone of 179,312 parameters, all finite\n/);
    expect(out).toMatch(
      /\nwhy: .*config\.json says so, and its tensors fit; the layout is that of diffusers\n/,
    );
    expect(out).toContain(
      'unlike the official code: waves of time divided by 127, 0.00001 added in the norm before the MLP, ' +
        'query, key and value apart, embedders of its own in every block, positions computed\n',
    );
    expect(out).toContain('put "time_shift": 0 into its config.json');
  });

  it('believes its config.json that the official code trained it', async () => {
    mkdirSync(path('trained'));
    const config = JSON.parse(readFileSync(join(theirs, 'config.json'), 'utf8')) as object;
    const at = join(path('trained'), 'config.json');
    writeFileSync(at, JSON.stringify({ ...config, time_shift: 0 }));
    const { out } = await exithead(['inspect', theirs, '--config', at]);
    expect(out).not.toContain('waves of time');
    expect(out).not.toContain('time_shift');
  });
});
