// Which of several processes does a piece of work? The one that made the lock file; the others wait until it is gone.
import { randomUUID } from 'node:crypto';
import { readFile, rename, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { Interrupted } from '../errors.js';
import { isCode, makeFolder, writing } from './disk.js';

export interface LockOptions {
  /** Ends the waiting. */
  readonly signal: AbortSignal;
  /** Called once if another process holds the lock. @param holder in words: `process 123` */
  readonly onWait: (holder: string) => void;
  /** How long a holder may give no sign of life until its lock counts as left behind. */
  readonly silentMs?: number;
}

const holderSchema = z.object({
  pid: z.int().positive(),
  host: z.string().max(300),
  id: z.string().max(100),
});
type Holder = z.output<typeof holderSchema>;

const lookMs = 250;

/**
 * Does work while no other process does work under the same lock. A lock whose process is gone does not count: on this
 * machine that is seen at once, elsewhere by its silence.
 * @throws Interrupted if `signal` aborts while it waits
 * @throws UserError if the disk refuses the lock file
 */
export async function withLock<T>(
  path: string,
  { signal, onWait, silentMs = 30_000 }: LockOptions,
  work: () => Promise<T>,
): Promise<T> {
  const own: Holder = { pid: process.pid, host: hostname(), id: randomUUID() };
  await acquire(path, own, { signal, onWait, silentMs });
  const beat = setInterval(() => void touch(path), silentMs / 10);
  beat.unref();
  try {
    return await work();
  } finally {
    clearInterval(beat);
    // Not that of another one, who took this process for gone.
    if ((await holderOf(path))?.id === own.id) await rm(path, { force: true });
  }
}

async function acquire(path: string, own: Holder, options: Required<LockOptions>): Promise<void> {
  const { signal, onWait, silentMs } = options;
  await makeFolder(dirname(path));
  let isWaiting = false;
  let seen = { sign: '', at: performance.now() };
  for (;;) {
    if (await tryMake(path, own)) return;
    const holder = await holderOf(path);
    const sign = `${holder?.id} ${await lifeSign(path)}`;
    if (sign !== seen.sign) seen = { sign, at: performance.now() };
    if ((holder && isGone(holder)) || performance.now() - seen.at > silentMs) {
      await breakLock(path, holder);
      continue;
    }
    if (holder && !isWaiting) {
      onWait(`process ${holder.pid}${holder.host === own.host ? '' : ` on ${holder.host}`}`);
      isWaiting = true;
    }
    await sleep(lookMs, undefined, { signal }).catch(() => {
      throw new Interrupted('stopped while it waited for another process; nothing had to be saved');
    });
  }
}

async function tryMake(path: string, own: Holder): Promise<boolean> {
  return writing(path, async () => {
    try {
      await writeFile(path, JSON.stringify(own), { flag: 'wx' });
      return true;
    } catch (error) {
      if (isCode(error, 'EEXIST')) return false;
      throw error;
    }
  });
}

/** Undefined while it is being written, or if there is none. */
async function holderOf(path: string): Promise<Holder | undefined> {
  try {
    return holderSchema.safeParse(JSON.parse(await readFile(path, 'utf8'))).data;
  } catch {
    return undefined;
  }
}

/** Changes as long as the holder lives; no clock is compared with another. */
async function lifeSign(path: string): Promise<number> {
  return (await stat(path).catch(() => undefined))?.mtimeMs ?? 0;
}

function isGone({ pid, host }: Holder): boolean {
  if (host !== hostname()) return false;
  try {
    process.kill(pid, 0);
    return false;
  } catch (error) {
    return isCode(error, 'ESRCH');
  }
}

/** Moved away first: of two who break the same lock, the second must not remove the first one's new lock. */
async function breakLock(path: string, judged: Holder | undefined): Promise<void> {
  const aside = `${path}.${randomUUID().slice(0, 8)}.tmp`;
  try {
    await rename(path, aside);
  } catch (error) {
    if (isCode(error, 'ENOENT')) return;
    throw error;
  }
  const moved = await holderOf(aside);
  if (moved && moved.id !== judged?.id) await tryMake(path, moved);
  await rm(aside, { force: true });
}

async function touch(path: string): Promise<void> {
  const now = new Date();
  await utimes(path, now, now).catch(() => undefined);
}
