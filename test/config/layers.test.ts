import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { merge, parseSetting } from '../../src/config/layers.js';
import { folderWith, least, load, messageFrom } from './files.js';

describe('extends', () => {
  it('goes from the far base to the file and on to --set, maps merging and lists replacing', async () => {
    const folder = folderWith({
      'far.yaml': 'seed: 1\noptimizer: { lr: 0.1, clip: 5 }\nheads: { exits: [1, 2, 3] }\n',
      'near/one.yaml': 'extends: ../far.yaml\noptimizer: { lr: 0.2 }\nheads: { exits: [4] }\n',
      'two.yaml': 'seed: 2\n',
      'c.yaml': `extends: [near/one.yaml, two.yaml]\n${least}optimizer: { eps: 0.5 }\n`,
    });
    const { config, sources } = await load(join(folder, 'c.yaml'), 'train', ['optimizer.clip=9']);
    expect(config.seed).toBe(2);
    expect(config.optimizer).toMatchObject({ lr: 0.2, eps: 0.5, clip: 9 });
    expect(config.heads.exits).toEqual([4]);
    expect(sources).toEqual([
      ...['far.yaml', 'near/one.yaml', 'two.yaml', 'c.yaml'].map((name) => join(folder, name)),
      '--set optimizer.clip=9',
    ]);
  });

  it('refuses a circle and shows it', async () => {
    const folder = folderWith({ 'a.yaml': 'seed: 1\nextends: b.yaml\n', 'b.yaml': 'extends: [./a.yaml]\n' });
    expect(await messageFrom(join(folder, 'a.yaml'))).toBe(
      'b.yaml:1:11  extends: goes in a circle, a.yaml -> b.yaml -> a.yaml; remove one of them',
    );
  });

  it('refuses a base that is missing, or no path, where it is asked for', async () => {
    const folder = folderWith({
      'a.yaml': 'extends: gone.yaml',
      'b.yaml': 'extends: [a.yaml, 5]',
      'c.yaml': 'extends: b.yaml',
    });
    expect(await messageFrom(join(folder, 'a.yaml'))).toMatch(
      /^a\.yaml:1:10 {2}extends: gone\.yaml: does not exist/,
    );
    expect(await messageFrom(join(folder, 'c.yaml'))).toBe(
      'b.yaml:1:19  extends: found 5, expected a path or a list of paths',
    );
  });

  it('ends soon when files multiply', async () => {
    const names = Array.from({ length: 40 }, (_, i) => i);
    const folder = folderWith(
      Object.fromEntries(
        names.map((i) => [`f${i}.yaml`, i === 39 ? 'seed: 1' : `extends: [f${i + 1}.yaml, f${i + 1}.yaml]`]),
      ),
    );
    expect(await messageFrom(join(folder, 'f0.yaml'))).toMatch(/extends: leads to more than 50 files$/);
  });
});

describe('--set', () => {
  it('reads its value as YAML', async () => {
    const path = join(folderWith({ 'c.yaml': least }), 'c.yaml');
    const { config } = await load(path, 'train', [
      'optimizer.lr=3e-4',
      'heads.exits=[1, 3]',
      'schedule.monotone=true',
      'name=2nd',
      'train={batch: 3, keep: 1}',
      'train.batch=4',
    ]);
    expect(config.optimizer.lr).toBe(3e-4);
    expect(config.heads.exits).toEqual([1, 3]);
    expect(config.schedule.monotone).toBe(true);
    expect(config.name).toBe('2nd');
    expect(config.train).toMatchObject({ batch: 4, keep: 1, steps: 10 });
  });

  it.each(['train.steps', '=5', '.a=5', 'a..b=5', 'a.=1'])('refuses %s', (text) => {
    expect(() => parseSetting(text)).toThrow(`--set ${text}: expected key.path=value`);
  });

  it('is where its mistakes are', async () => {
    const path = join(folderWith({ 'c.yaml': least }), 'c.yaml');
    expect(await messageFrom(path, ['train.stpes=5'])).toBe(
      '--set train.stpes=5  train.stpes: is unknown; did you mean train.steps?',
    );
    expect(await messageFrom(path, ['seed=[1'])).toMatch(/^--set seed=\[1:1:3 /);
    expect(await messageFrom(path, ['seed=!!js/function "x"'])).toMatch(/Unresolved tag/);
  });

  it('changes no prototype', async () => {
    const path = join(folderWith({ 'c.yaml': `${least}__proto__: { polluted: 1 }\n` }), 'c.yaml');
    expect(await messageFrom(path, ['constructor.prototype.polluted=1', '__proto__.polluted=1'])).toMatch(
      /__proto__: is unknown/,
    );
    expect('polluted' in {}).toBe(false);
  });
});

describe('merge', () => {
  it('adds and replaces keys of maps, and replaces all else', () => {
    expect(merge({ a: { b: 1, c: [1, 2] }, d: 1 }, { a: { c: [3] }, d: { e: 2 } })).toEqual({
      a: { b: 1, c: [3] },
      d: { e: 2 },
    });
    expect(merge({ a: { b: 1 } }, { a: 5 })).toEqual({ a: 5 });
  });
});
