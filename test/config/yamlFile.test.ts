import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { readYamlFile } from '../../src/config/yamlFile.js';
import { folderWith, messageFrom } from './files.js';

const message = (text: string | Uint8Array): Promise<string> =>
  messageFrom(join(folderWith({ 'c.yaml': text }), 'c.yaml'));

describe('reading a YAML file', () => {
  it('says where keys and values stand', async () => {
    const path = join(folderWith({ 'c.yaml': 'a:\n  b: 5\nc: &x { d: 1 }\ne: *x\nf: [1, 2]\n' }), 'c.yaml');
    const file = await readYamlFile(path);
    expect(file.locate(['a', 'b'], 'key')).toBe(`${path}:2:3`);
    expect(file.locate(['a', 'b'], 'value')).toBe(`${path}:2:6`);
    expect(file.locate(['e', 'd'], 'value')).toBe(`${path}:3:12`);
    expect(file.locate(['f', 1], 'value')).toBe(`${path}:5:8`);
    expect(file.locate(['a', 'c'], 'key')).toBeUndefined();
  });

  it('takes an empty file as one without keys', async () => {
    expect((await readYamlFile(join(folderWith({ 'c.yaml': '# nothing\n' }), 'c.yaml'))).data).toEqual({});
  });

  it('refuses what is no config file', async () => {
    const folder = folderWith({ 'sub/x': '' });
    expect(await messageFrom(join(folder, 'gone.yaml'))).toMatch(/^gone\.yaml: does not exist/);
    expect(await messageFrom(join(folder, 'sub'))).toMatch(/^sub: is a folder/);
    expect(await messageFrom('/dev/zero')).toMatch(/is not a regular file/);
    expect(await message(new Uint8Array([0x50, 0x4b, 3, 4, 0xff, 0xfe, 0]))).toMatch(/^c\.yaml: is not text/);
    expect(await message('a: "\0"')).toMatch(/^c\.yaml: is not text/);
    expect(await message('a'.repeat(10_000_000))).toMatch(/^c\.yaml: has 10000000 bytes/);
    expect(await message('just words')).toMatch(/^c\.yaml: found a plain value/);
    expect(await message('- a')).toMatch(/^c\.yaml: found a list/);
  });

  it('refuses bad YAML with its place', async () => {
    expect(await message('seed: 1\nseed: 2')).toMatch(/^c\.yaml:2:1 {2}Map keys must be unique/);
    expect(await message('seed: 1\ntrain: [1')).toMatch(/^c\.yaml:2:\d+ /);
    expect(await message('a: *gone')).toMatch(/^c\.yaml: its aliases .*gone/);
    expect(await message('a: 1\n---\nb: 1')).toMatch(/multiple documents/);
    expect(await message('? [a]\n: 1')).toMatch(/keys must be strings/);
  });

  it('runs and makes nothing that a tag asks for', async () => {
    for (const tag of [
      '!!js/function "() => 1"',
      '!new {}',
      '!!binary aGk=',
      '!!set {a}',
      '!!timestamp 2001-01-01',
    ])
      expect(await message(`seed: ${tag}`)).toMatch(/^c\.yaml:1:7 {2}Unresolved tag/);
  });

  it('refuses an alias bomb and a map that holds itself', async () => {
    const bomb = Array.from(
      { length: 12 },
      (_, i) => `a${i}: &a${i} [${i ? `*a${i - 1},`.repeat(9) : '1,'}]`,
    ).join('\n');
    expect(await message(bomb)).toMatch(/^c\.yaml: its aliases .* cannot be followed/);
    expect(await message('a: &a { b: *a }')).toMatch(/^c\.yaml: its aliases .* cannot be followed/);
  });

  it.each(['[', '{a: ', '- ', '? ', '[{a: '])('refuses bottomless nesting of %j', async (open) => {
    expect(await message(open.repeat(12_000))).toMatch(/^c\.yaml: is nested more than 30 levels deep/);
  });

  it('lists no more problems than a person reads', async () => {
    const text = Array.from({ length: 4000 }, (_, i) => `key${i}: 1`).join('\n');
    const lines = (await message(text)).split('\n');
    expect(lines).toHaveLength(31);
    expect(lines.at(-1)).toBe('and more');
  });
});
