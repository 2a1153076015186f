import { describe, expect, it } from '@jest/globals';
import { configKeys, keyAt } from '../../src/config/keys.js';
import { nearest } from '../../src/nearest.js';
import { parsePretrain, parseSample, parseTrain } from '../../src/config/parse.js';
import { configKinds } from '../../src/config/schema.js';
import { headKinds } from '../../src/exits/heads.js';

describe('the schema', () => {
  it.each(configKinds)('says type and meaning of every key of %s in one line', (kind) => {
    const keys = configKeys(kind);
    expect(keys.length).toBeGreaterThan(10);
    for (const { key, expected, meaning } of keys) {
      expect([key, expected]).not.toEqual([key, '']);
      expect([key, meaning]).not.toEqual([key, '']);
      expect(`${meaning}${expected}`).not.toContain('\n');
    }
  });

  it('gives defaults, needs and paths', () => {
    expect(keyAt('train', 'train.batch')).toEqual({
      key: 'train.batch',
      expected: 'a whole number from 1 to 65536',
      meaning: 'images per step',
      default: 64,
      required: false,
      isFile: false,
    });
    expect(keyAt('train', 'backbone.path')).toMatchObject({ required: true, isFile: true });
    expect(keyAt('train', 'data.test.labels')).toMatchObject({ required: true, isFile: true });
    expect(keyAt('train', 'backbone.depth')).toBeUndefined();
  });

  it('knows every kind of head', () => {
    expect(keyAt('train', 'heads.kind')?.expected).toBe(`one of ${headKinds.join(', ')}`);
  });

  it('checks values that come from a program, and freezes what is good', () => {
    const config = parseTrain({ backbone: { path: 'm' }, data: { kind: 'mnist' }, train: { steps: 1 } });
    expect(config.optimizer.lr).toBe(0.001);
    expect(Object.isFrozen(config.optimizer)).toBe(true);
    expect(parseSample({}).engine.kind).toBe('auto');
    expect(() => parsePretrain({ seed: 'x' })).toThrow(
      /^seed: found "x", .*\nbackbone: is missing.*\ndata: is missing.*\ntrain: is missing/,
    );
    expect(() => parseTrain(5)).toThrow(/^config: found 5, expected a map with name, seed/);
  });

  it.each([NaN, Infinity, -1, '1', null, [], {}, true])('refuses a learning rate of %p', (lr) => {
    expect(() => parsePretrain({ optimizer: { lr } })).toThrow(
      /optimizer\.lr: found .*, expected a number above 0 and at most 10/,
    );
  });
});

describe('the nearest name', () => {
  const names = ['batch', 'steps', 'logEvery', 'lr', 'optimizer', 'sample'];
  it.each([
    ['stpes', 'steps'],
    ['step', 'steps'],
    ['batch_size', 'batch'],
    ['log_every', 'logEvery'],
    ['Optimiser', 'optimizer'],
    ['samples', 'sample'],
    ['lR', 'lr'],
  ])('of %s is %s', (word, meant) => expect(nearest(word, names)).toBe(meant));
  it.each(['', 'xyzzy', 'q'.repeat(100_000), 'momentum'])('of something else is nothing', (word) =>
    expect(nearest(word, names)).toBeUndefined(),
  );
});
