import { mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { UserError } from '../../src/errors.js';
import { writeFileAtomic, writeFolderAtomic } from '../../src/files/write.js';
import { temporaryFolders } from '../folder.js';

const folder = temporaryFolders();

describe('writeFileAtomic', () => {
  it('writes text and pieces of bytes, and replaces what was there', async () => {
    const path = join(await folder(), 'a.txt');
    await writeFileAtomic(path, 'first');
    await writeFileAtomic(path, [Uint8Array.of(97, 98), Uint8Array.of(99)]);
    expect(await readFile(path, 'utf8')).toBe('abc');
  });
  it('leaves the old file and no other when a piece cannot be made', async () => {
    const root = await folder();
    const path = join(root, 'a.txt');
    await writeFileAtomic(path, 'old');
    const pieces = {
      *[Symbol.iterator]() {
        yield Uint8Array.of(1);
        throw new Error('no more');
      },
    };
    await expect(writeFileAtomic(path, pieces as unknown as Uint8Array[])).rejects.toThrow('no more');
    expect(await readFile(path, 'utf8')).toBe('old');
    expect(await readdir(root)).toEqual(['a.txt']);
  });
  it('says what to do when the folder is missing or a file', async () => {
    const root = await folder();
    await expect(writeFileAtomic(join(root, 'no', 'a'), 'x')).rejects.toThrow(/its folder is gone/);
    await writeFile(join(root, 'file'), '');
    await expect(writeFileAtomic(join(root, 'file', 'a'), 'x')).rejects.toThrow(UserError);
  });
});

describe('writeFolderAtomic', () => {
  const fill = (text: string) => (at: string) => writeFile(join(at, 'a.txt'), text);
  const failing = async (at: string): Promise<void> => {
    await fill('1')(at);
    throw new Error('stop');
  };
  it('makes the folder and the folders above it', async () => {
    const path = join(await folder(), 'x', 'y');
    await writeFolderAtomic(path, fill('1'));
    expect(await readFile(join(path, 'a.txt'), 'utf8')).toBe('1');
  });
  it('replaces a folder that holds the same files', async () => {
    const root = await folder();
    const path = join(root, 'x');
    await writeFolderAtomic(path, fill('1'));
    await writeFolderAtomic(path, fill('2'));
    expect(await readFile(join(path, 'a.txt'), 'utf8')).toBe('2');
    expect(await readdir(root)).toEqual(['x']);
  });
  it('fills an empty folder as it is, which somebody may be in', async () => {
    const path = await folder();
    const { ino } = await stat(path);
    await writeFolderAtomic(path, fill('1'));
    expect((await stat(path)).ino).toBe(ino);
    expect(await readdir(path)).toEqual(['a.txt']);
  });
  it('leaves an empty folder empty when filling fails', async () => {
    const path = await folder();
    await expect(writeFolderAtomic(path, failing)).rejects.toThrow('stop');
    expect(await readdir(path)).toEqual([]);
  });
  it('does not replace the folder that the user is in', async () => {
    const path = join(await folder(), 'x');
    await writeFolderAtomic(path, fill('1'));
    const before = process.cwd();
    process.chdir(path);
    try {
      await expect(writeFolderAtomic('.', fill('2'))).rejects.toThrow('. is the folder that you are in');
    } finally {
      process.chdir(before);
    }
    expect(await readFile(join(path, 'a.txt'), 'utf8')).toBe('1');
  });
  it('never deletes files that it would not write', async () => {
    const root = await folder();
    const path = join(root, 'x');
    await mkdir(path);
    await writeFile(join(path, 'thesis.tex'), 'years');
    await expect(writeFolderAtomic(path, fill('1'))).rejects.toThrow(/holds other files \(thesis\.tex\)/);
    expect(await readdir(path)).toEqual(['thesis.tex']);
    expect(await readdir(root)).toEqual(['x']);
  });
  it('replaces what an earlier writing may have left, in folders below, too', async () => {
    const path = join(await folder(), 'x');
    await mkdir(join(path, 'sub'), { recursive: true });
    await writeFile(join(path, 'sub', 'b.txt'), 'old');
    await expect(writeFolderAtomic(path, fill('1'), (name) => name === 'sub')).rejects.toThrow(
      /holds other files \(sub\/b\.txt\)/,
    );
    await writeFolderAtomic(path, fill('1'), (name) => ['sub', 'sub/b.txt'].includes(name));
    expect(await readdir(path)).toEqual(['a.txt']);
  });
  it('says what stands where a folder above it should be', async () => {
    const root = await folder();
    await writeFile(join(root, 'file'), '');
    for (const below of ['file', 'file/x', 'file/x/y']) {
      const work = writeFolderAtomic(join(root, below), fill('1'));
      await expect(work).rejects.toThrow(UserError);
      await expect(work).rejects.toThrow(/is a file/);
    }
    expect(await readdir(root)).toEqual(['file']);
  });
  it('leaves nothing when filling fails', async () => {
    const root = await folder();
    await expect(writeFolderAtomic(join(root, 'x'), failing)).rejects.toThrow('stop');
    expect(await readdir(root)).toEqual([]);
  });
});
