import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from '@jest/globals';
import { fixturePath } from '../fixtures.js';
import { exithead, listing, refusalOf, told, workshop } from '../workshop.js';

const { root, at, pretrain, heads } = workshop();
const run = at('runs/002-tiny-heads');

beforeAll(async () => {
  const { backbone } = await told('pretrain', pretrain, '--out', at('runs'), '--set', 'train.steps=1');
  cpSync(String(backbone), at('backbone'), { recursive: true });
  await told('train', heads, '--out', at('runs'), '--set', 'heads.kind=shared');
  await told('profile', run);
  await told('schedule', run);
  await told('export', run, '--out', at('bundle'));
  mkdirSync(at('empty'));
  writeFileSync(at('file'), 'neither a run nor a bundle');
});

/** The refusal of a command that must leave everything as it was. */
async function refused(...words: string[]): Promise<string> {
  const before = listing(root);
  const message = await refusalOf(...words);
  expect(listing(root)).toEqual(before);
  return message;
}

/** A copy of the run without some of its files. */
function runWithout(...names: string[]): string {
  const copy = at('runs', `without-${names.join('-')}`);
  cpSync(run, copy, { recursive: true });
  for (const name of names) rmSync(join(copy, name));
  return copy;
}

const verbs = ['inspect', 'pretrain', 'train', 'profile', 'schedule', 'export', 'sample', 'report'] as const;
/** A command line that is right but for its target. */
const line = (verb: string, target: string): string[] => [
  verb,
  target,
  ...(['inspect', 'profile', 'schedule'].includes(verb) ? [] : ['--out', at('never')]),
];

describe.each(verbs)('%s', (verb) => {
  it('without a target shows an example', async () => {
    expect(await refused(verb)).toMatch(
      new RegExp(`^exithead ${verb} needs a \\w+: .*\\. For example: exithead ${verb} `),
    );
  });

  it('names a target that is not there', async () => {
    const message = await refused(...line(verb, at('nowhere')));
    expect(message).toContain(at('nowhere'));
    expect(message).toMatch(/not there|does not exist|missing|cannot be read|no such file/);
    expect(message).toMatch(/[Gg]ive|expected/);
  });

  it('refuses a folder that is none of its own', async () => {
    const message = await refused(...line(verb, at('empty')));
    expect(message).toContain(at('empty'));
    expect(message).toMatch(/Give|Add --resume/);
  });

  it('refuses a file that is none of its own', async () => {
    const message = await refused(...line(verb, at('file')));
    expect(message).toContain(at('file'));
    expect(message).toMatch(/[Gg]ive|expected/);
  });
});

describe('an unfinished run', () => {
  it.each(['profile', 'schedule', 'export', 'report'])('is refused by %s', async (verb) => {
    const half = runWithout('heads.safetensors');
    expect(await refused(...line(verb, half))).toBe(
      `${half} has no heads.safetensors yet: its training is not finished. Go on with \`exithead train ${half} --resume\`.`,
    );
  });

  it('without an error table cannot be solved', async () => {
    const copy = runWithout('error-table.json');
    expect(await refused('schedule', copy)).toBe(
      `${copy} has no error-table.json. Run \`exithead profile ${copy}\` first.`,
    );
  });

  it('without a schedule cannot be exported', async () => {
    const copy = runWithout('schedule.json');
    expect(await refused(...line('export', copy))).toBe(
      `${copy} has no schedule.json. Run \`exithead schedule ${copy}\` first.`,
    );
  });

  it('of another verb names that verb', async () => {
    const made = at('runs/001-tiny-pretrain');
    for (const verb of ['profile', 'schedule', 'report'])
      expect(await refused(...line(verb, made))).toContain('is a config for pretrain, not for train');
  });
});

describe('a damaged file of a run', () => {
  it.each([
    ['error-table.json', 'schedule', /error-table\.json is not JSON .*Give the error-table\.json/],
    ['schedule.json', 'export', /schedule\.json is not JSON .*Give the schedule\.json/],
    ['heads.safetensors', 'profile', /heads\.safetensors is no sound/],
    ['config.yaml', 'report', /config\.yaml:1:\d+/],
  ])('%s is named by %s', async (name, verb, message) => {
    const copy = at('runs', `damaged-${verb}`);
    cpSync(run, copy, { recursive: true });
    writeFileSync(join(copy, name), '{ "format": ');
    expect(await refused(...line(verb, copy))).toMatch(message);
  });
});

describe('a config', () => {
  const config = (name: string, text: string): string => {
    writeFileSync(at(name), text);
    return at(name);
  };

  it('with a mistyped key says where it stands and what is near', async () => {
    const typo = config('typo.yaml', 'extends: heads.yaml\ntrain:\n  stpes: 3\n');
    expect(await refused(...line('train', typo))).toBe(
      `${typo}:3:3  train.stpes: is unknown; did you mean train.steps?`,
    );
  });

  it.each([
    ['train', 'heads.bottleneck=0', 'heads.bottleneck: found 0, expected a whole number from 1 to 65536'],
    ['train', 'optimizer.lr=-1', 'optimizer.lr: found -1, expected a number above 0 and at most 10'],
    ['train', 'train.stpes=3', 'train.stpes: is unknown; did you mean train.steps?'],
    ['train', 'schedule.steps=101', 'found 101, expected at most diffusion.steps, which is 100'],
    ['pretrain', 'backbone.patch=3', 'found 3, expected a divisor of backbone.imageSize, which is 8'],
  ])('%s with --set %s says what was expected', async (verb, setting, message) => {
    const words = line(verb, verb === 'train' ? heads : pretrain);
    expect(await refused(...words, '--set', setting)).toContain(message);
  });

  it.each([
    ['profile', 'profile.samples=0'],
    ['schedule', 'schedule.speedup=0.5'],
  ])('of a run, changed by %s --set %s, is checked as well', async (verb, setting) => {
    expect(await refused(verb, run, '--set', setting)).toMatch(
      new RegExp(`^--set ${setting}  \\S+: found [\\d.]+, expected`),
    );
  });

  it('for another number of diffusion steps than the backbone knows is refused before training', async () => {
    const message = await refused(...line('train', heads), '--set', 'diffusion.steps=50');
    expect(message).toContain('diffusion.steps is 50, but the backbone');
    expect(message).toContain('knows 100 steps');
  });

  it('for images of another size than the data names both', async () => {
    const set = ['--set', 'backbone.imageSize=16'];
    const message = await refused(...line('pretrain', pretrain), ...set);
    expect(message).toMatch(/train-images: images are 1 x 8 x 8, but the backbone takes 1 x 16 x 16/);
  });

  it('whose held-out images are missing is refused before training, which does not need them', async () => {
    const set = ['--set', `data.test.images=${at('nowhere')}`];
    expect(await refused(...line('train', heads), ...set)).toContain(at('nowhere'));
  });

  it('for exits that the backbone does not have is refused before there is a run', async () => {
    const message = await refused(...line('train', heads), '--set', 'heads.exits=[1,3]');
    expect(message).toContain('a head is planned at exit 3, but DiT-3x16/4 has exits 1 to 2 for heads');
    const weights = await refused(...line('train', heads), '--set', 'loss.exitWeights=[1,2,3]');
    expect(weights).toContain('loss.exitWeights has 3 numbers for the 2 exits');
  });

  it('of a resumed run cannot be changed', async () => {
    expect(await refused('train', run, '--resume', '--set', 'train.steps=9')).toContain(
      'goes on with the config that it began with, so --set train.steps=9 cannot change it',
    );
    const changed = await refused('train', heads, '--resume', '--out', at('runs'), '--seed', '8');
    expect(changed).toContain('was started with another config than this one');
    expect(await refused(...line('train', heads), '--resume')).toContain('to resume. Start one without');
  });
});

describe('numbers out of reach', () => {
  it('of a schedule: the message names the fastest there is, and that works', async () => {
    const message = await refused('schedule', run, '--speedup', '9');
    const [, most = ''] = /Ask for ([\d.]+) or less/.exec(message) ?? [];
    expect(message).toContain('a speed-up of 9 is out of reach: the cheapest schedule of 10 steps gives');
    await told('schedule', run, '--speedup', most, '--dry-run');
    await refused('schedule', run, '--speedup', String(Number(most) + 0.001));
  });

  it('of a sampler: more steps than the diffusion has', async () => {
    expect(await refused('sample', at('bundle'), '--steps', '101', '--out', at('never'))).toBe(
      '101 sampling steps were asked of 100 diffusion steps. Ask for 1 to 100.',
    );
    expect(await refused('schedule', run, '--steps', '101')).toContain('expected at most diffusion.steps');
  });

  it('of an inspection: a size that nobody published, or half a size', async () => {
    const file = fixturePath('bad/control.safetensors');
    expect(await refused('inspect', file, '--size', 'DiT-Q/2')).toMatch(/DiT-Q\/2.*DiT-XL\/2/s);
    expect(await refused('inspect', file, '--image-size', '32')).toContain('goes with size');
    expect(await refused('inspect', file, '--size', 'DiT-S/2', '--image-size', '7.5')).toMatch(/input_size/);
    expect(await refused('inspect', run, '--backbone', at('backbone'))).toContain(
      'is of the kind run, so --backbone does not go with it',
    );
  });
});

describe('a place to write to', () => {
  it('is needed by export', async () => {
    expect(await refused('export', run)).toContain('exithead export needs --out');
  });

  it('that holds other files stays as it is', async () => {
    mkdirSync(at('thesis'));
    writeFileSync(at('thesis/chapter.tex'), 'years of work');
    expect(await refused('export', run, '--out', at('thesis'))).toContain('holds other files (chapter.tex)');
    expect(readFileSync(at('thesis/chapter.tex'), 'utf8')).toBe('years of work');
    expect(await refused('export', run, '--out', run)).toContain('holds other files');
  });

  it.each([
    ['pretrain', pretrain],
    ['train', heads],
    ['export', run],
    ['sample', at('bundle')],
    ['report', run],
  ])('must not be a file: %s', async (verb, target) => {
    for (const out of [at('file'), at('file/below')])
      expect(await refused(verb, target, '--out', out)).toMatch(
        /is a file, (not a folder|expected a folder)|part of the path is a file/,
      );
    expect(readFileSync(at('file'), 'utf8')).toBe('neither a run nor a bundle');
  });
});

describe('a bad backbone file', () => {
  const config = fixturePath('bad/config.json');
  /** In a folder of its own, with its config.json. */
  const placed = (name: string): string => {
    mkdirSync(at('bad'), { recursive: true });
    cpSync(config, at('bad/config.json'));
    cpSync(fixturePath(`bad/${name}`), at('bad', name));
    return at('bad', name);
  };
  const faults: readonly (readonly [string, RegExp])[] = [
    ['truncated.safetensors', /no sound/],
    ['header_overlap.safetensors', /no sound/],
    ['huge_header.safetensors', /no sound/],
    ['wrong_dtype.safetensors', /Q13/],
    ['missing_key.safetensors', /missing.*blocks\.1\.attn\.qkv\.weight/s],
    ['wrong_shape.safetensors', /blocks\.1\.mlp\.fc1\.weight has shape \[67, 16\], expected \[64, 16\]/],
    ['nan.safetensors', /blocks\.1\.attn\.proj\.weight.*NaN|NaN.*blocks\.1\.attn\.proj\.weight/s],
    ['truncated.pt', /no sound/],
    ['malicious.pt', /os[. ]system/],
  ];

  it.each(faults)('%s is refused by inspect and train alike, and nothing in it runs', async (name, fault) => {
    const file = placed(name);
    rmSync(join(tmpdir(), 'pwned'), { force: true });
    const inspected = await refused('inspect', file);
    expect(inspected).toContain(file);
    expect(inspected).toMatch(fault);
    const trained = await refused(...line('train', heads), '--set', `backbone.path=${file}`);
    expect(trained).toBe(inspected);
    expect(existsSync(join(tmpdir(), 'pwned'))).toBe(false);
  });

  it.each(['control.pt', 'control.safetensors', 'legacy_tar.pt'])(
    'has a sound one beside it: %s',
    async (name) => {
      const { code, out } = await exithead(['inspect', placed(name)]);
      expect(code).toBe(0);
      expect(out).toContain('all finite');
    },
  );
});
