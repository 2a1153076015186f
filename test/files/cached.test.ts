import { existsSync, mkdirSync, readdirSync, readFileSync, utimesSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { describe, expect, it } from '@jest/globals';
import { Interrupted, UserError } from '../../src/errors.js';
import { cached, keyOf, type Asker, type Kept } from '../../src/files/cached.js';
import { writeFileAtomic } from '../../src/files/write.js';
import { scratch } from '../scratch.js';

const { path } = scratch();

function listener(): Asker & { said: string[]; warned: string[] } {
  const [said, warned]: [string[], string[]] = [[], []];
  return {
    ...{ said, warned, signal: new AbortController().signal },
    say: (line) => said.push(line),
    warn: (line) => warned.push(line),
  };
}

/** A text that is kept, and how often it was made. */
function text(file: string, content = 'good'): Kept<string> & { made: number } {
  const kept = {
    ...{ path: file, made: 0, mostBytes: 100, write: writeFileAtomic },
    read: async (from: string) => {
      const found = readFileSync(from, 'utf8');
      if (!found.startsWith('good')) throw new UserError(`${from} is not good.`);
      return Promise.resolve(found);
    },
    make: async () => {
      await setTimeout(20);
      kept.made++;
      return content;
    },
  };
  return kept;
}

describe('what is kept in the cache', () => {
  it('is made once, and read after that', async () => {
    const kept = text(path('once/a.txt'));
    const asker = listener();
    expect(await cached(kept, asker)).toBe('good');
    expect(await cached({ ...kept, make: () => Promise.reject(new Error('made twice')) }, asker)).toBe(
      'good',
    );
    expect(readdirSync(path('once'))).toEqual(['a.txt']);
    expect([asker.said, asker.warned]).toEqual([[], []]);
  });
  it('is made by one of those who ask at once', async () => {
    const kept = text(path('race/a.txt'));
    const asker = listener();
    expect(await Promise.all([1, 2, 3].map(() => cached(kept, asker)))).toEqual(['good', 'good', 'good']);
    expect(kept.made).toBe(1);
    expect(asker.said).toContain(`waiting for process ${process.pid}, which makes ${kept.path}`);
  });
  it('is made anew, aloud, when its file broke', async () => {
    const kept = text(path('broken/a.txt'));
    const asker = listener();
    mkdirSync(dirname(kept.path));
    writeFileSync(kept.path, 'bad');
    expect(await cached(kept, asker)).toBe('good');
    expect(readFileSync(kept.path, 'utf8')).toBe('good');
    expect(asker.warned).toEqual([`${kept.path} is not good. It is made anew.`]);
  });
  it('is not there when making it was interrupted, and an error that is ours is not taken for a broken file', async () => {
    const kept = text(path('stopped/a.txt'));
    const stopped = cached({ ...kept, make: () => Promise.reject(new Interrupted('stopped')) }, listener());
    await expect(stopped).rejects.toThrow(Interrupted);
    expect(readdirSync(path('stopped'))).toEqual([]);
    await cached(kept, listener());
    const bug = cached({ ...kept, read: () => Promise.reject(new TypeError('bug')) }, listener());
    await expect(bug).rejects.toThrow(TypeError);
  });
  it('is given even if the disk refuses it, aloud', async () => {
    const kept = text(path('full/a.txt'));
    const asker = listener();
    const write = (): Promise<void> => Promise.reject(new UserError('cannot write: no space is left'));
    expect(await cached({ ...kept, write }, asker)).toBe('good');
    expect(asker.warned[0]).toContain('cannot write: no space is left. It is not kept');
    expect(existsSync(kept.path)).toBe(false);
  });
  it('makes room by what was not used for longest, and never goes itself', async () => {
    const names = ['a', 'b', 'c'].map((name) => path(`room/${name}.txt`));
    for (const [i, name] of names.entries()) {
      await cached(text(name, `good${'.'.repeat(36)}`), listener());
      // Long ago, one after the other; c comes too late for 100 bytes.
      if (i < 2) utimesSync(name, 1000 + i, 1000 + i);
      if (i === 1) await cached(text(names[0]!), listener());
    }
    expect(readdirSync(path('room'))).toEqual(['a.txt', 'c.txt']);
    await cached(text(path('room/d.txt'), `good${'.'.repeat(200)}`), listener());
    expect(readdirSync(path('room'))).toEqual(['d.txt']);
  });
});

describe('the key of what is kept', () => {
  it('differs as soon as one part does, wherever parts end', () => {
    const keys = [keyOf('a', 'b'), keyOf('ab'), keyOf('a', 'b', ''), keyOf('b', 'a'), keyOf(1), keyOf('1')];
    expect(new Set(keys).size).toBe(keys.length);
    expect(keyOf('a', 1)).toBe(keyOf('a', 1));
  });
});
