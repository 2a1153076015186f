import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { UserError } from '../../src/errors.js';
import { isCode, makeFolder, requireWritable, writing } from '../../src/files/disk.js';
import { temporaryFolders } from '../folder.js';

const failing = (code: string) => () =>
  Promise.reject(Object.assign(new Error(`${code}: refused`), { code }));

describe('writing', () => {
  it('returns what the work returns', async () => {
    expect(await writing('a', () => Promise.resolve(3))).toBe(3);
  });
  it.each(['ENOSPC', 'EDQUOT', 'EACCES', 'EROFS', 'ENOTDIR'])('puts %s into words', async (code) => {
    const work = writing('runs/001-a/log.txt', failing(code));
    await expect(work).rejects.toThrow(UserError);
    await expect(work).rejects.toThrow(/^cannot write runs\/001-a\/log.txt: .*; .* \(.*refused\)$/);
  });
  it('lets everything else pass', async () => {
    await expect(writing('a', failing('EEXIST'))).rejects.not.toThrow(UserError);
    await expect(writing('a', () => Promise.reject(new TypeError('bug')))).rejects.toThrow(TypeError);
  });
});

describe('requireWritable', () => {
  const folder = temporaryFolders();

  it('leaves things as they were', async () => {
    const root = await folder();
    await requireWritable(join(root, 'a', 'b'));
    expect(await readdir(root)).toEqual([]);
    await writeFile(join(root, 'kept'), '');
    await requireWritable(root);
    expect(await readdir(root)).toEqual(['kept']);
  });
  it('says what stands in the way', async () => {
    const file = join(await folder(), 'file');
    await writeFile(file, '');
    for (const path of [file, join(file, 'below')])
      await expect(requireWritable(path)).rejects.toThrow(UserError);
  });
});

describe('makeFolder', () => {
  const folder = temporaryFolders();

  it('makes the folders above, too, and keeps one that is there', async () => {
    const path = join(await folder(), 'a', 'b');
    await makeFolder(path);
    await writeFile(join(path, 'kept'), '');
    await makeFolder(path);
    expect(await readdir(path)).toEqual(['kept']);
  });
  it('says what stands in its place', async () => {
    const file = join(await folder(), 'file');
    await writeFile(file, '');
    await expect(makeFolder(file)).rejects.toThrow(`${file} is a file, expected a folder`);
    await expect(makeFolder(file)).rejects.toThrow(UserError);
    await expect(makeFolder(join(file, 'a'))).rejects.toThrow(/part of the path is a file/);
  });
});

describe('isCode', () => {
  it('knows the code of a failed system call', () => {
    expect(isCode(Object.assign(new Error(), { code: 'ENOENT' }), 'ENOENT')).toBe(true);
    for (const error of [new Error('ENOENT'), null, undefined, 'ENOENT'])
      expect(isCode(error, 'ENOENT')).toBe(false);
  });
});
