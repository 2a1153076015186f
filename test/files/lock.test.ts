import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { dirname } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { describe, expect, it } from '@jest/globals';
import { Interrupted } from '../../src/errors.js';
import { withLock } from '../../src/files/lock.js';
import { scratch } from '../scratch.js';

const { path } = scratch();
const never = new AbortController().signal;
const unheard = (): void => undefined;

/** A process of another program, which ends at once or with the test. */
async function stranger(lives: boolean): Promise<{ pid: number; end: () => Promise<unknown> }> {
  const child = spawn(process.execPath, ['-e', lives ? 'setInterval(() => {}, 1000)' : '']);
  const ended = once(child, 'exit');
  if (!lives) await ended;
  return { pid: child.pid ?? 0, end: () => (child.kill('SIGKILL'), ended) };
}

describe('a lock', () => {
  it('lets one after the other work, and leaves nothing', async () => {
    const lock = path('in/turn');
    const events: string[] = [];
    const waited: string[] = [];
    const work = (name: string) =>
      withLock(lock, { signal: never, onWait: (holder) => waited.push(holder) }, async () => {
        events.push(`${name} begins`);
        await setTimeout(50);
        events.push(`${name} ends`);
        return name;
      });
    expect((await Promise.all([work('a'), work('b'), work('c')])).join('')).toBe('abc');
    for (let i = 0; i < 6; i += 2) expect(events[i]?.[0]).toBe(events[i + 1]?.[0]);
    expect(new Set(waited)).toEqual(new Set([`process ${process.pid}`]));
    expect(readdirSync(dirname(lock))).toEqual([]);
  });

  it('is given back when the work fails', async () => {
    const lock = path('failing');
    const fails = withLock(lock, { signal: never, onWait: unheard }, () => Promise.reject(new Error('no')));
    await expect(fails).rejects.toThrow('no');
    expect(existsSync(lock)).toBe(false);
  });

  it('does not count when its process is gone', async () => {
    const lock = path('left');
    const { pid } = await stranger(false);
    writeFileSync(lock, JSON.stringify({ pid, host: hostname(), id: 'x' }));
    const waited: string[] = [];
    const onWait = (holder: string): void => void waited.push(holder);
    expect(await withLock(lock, { signal: never, onWait }, () => Promise.resolve(1))).toBe(1);
    expect(waited).toEqual([]);
    expect(readdirSync(dirname(lock)).filter((name) => name.startsWith('left'))).toEqual([]);
  });

  it('counts as long as its process lives, and until it is silent too long', async () => {
    const lock = path('silent');
    const { pid, end } = await stranger(true);
    writeFileSync(lock, JSON.stringify({ pid, host: hostname(), id: 'x' }));
    const waited: string[] = [];
    const begun = performance.now();
    const onWait = (holder: string): void => void waited.push(holder);
    await withLock(lock, { signal: never, onWait, silentMs: 700 }, () => Promise.resolve());
    expect(performance.now() - begun).toBeGreaterThan(690);
    expect(waited).toEqual([`process ${pid}`]);
    await end();
  });

  it('of another machine, or one that was written in part, counts until it is silent too long', async () => {
    const lock = path('elsewhere');
    const waited: string[] = [];
    const onWait = (holder: string): void => void waited.push(holder);
    for (const content of [JSON.stringify({ pid: 1, host: 'elsewhere', id: 'x' }), '{"pid": 1', '']) {
      writeFileSync(lock, content);
      await withLock(lock, { signal: never, onWait, silentMs: 300 }, () => Promise.resolve());
      expect(existsSync(lock)).toBe(false);
    }
    expect(waited).toEqual(['process 1 on elsewhere']);
  });

  it('is held by signs of life for longer than silence would be', async () => {
    const lock = path('alive');
    const options = { signal: never, onWait: unheard, silentMs: 400 };
    let working = 0;
    const work = () =>
      withLock(lock, options, async () => {
        expect(++working).toBe(1);
        await setTimeout(1200);
        working--;
      });
    await Promise.all([work(), work()]);
  });

  it('is waited for until Ctrl-C', async () => {
    const stop = new AbortController();
    const lock = path('waiting');
    await withLock(lock, { signal: never, onWait: unheard }, async () => {
      const second = withLock(lock, { signal: stop.signal, onWait: () => stop.abort() }, () =>
        Promise.resolve(),
      );
      await expect(second).rejects.toThrow(Interrupted);
      expect(existsSync(lock)).toBe(true);
    });
  });
});
