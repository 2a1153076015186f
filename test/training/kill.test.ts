import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { describe, expect, it } from '@jest/globals';
import { openRun } from '../../src/training/runFolder.js';
import { temporaryFolders } from '../folder.js';
import { untimed, writeProject } from './project.js';

const folder = temporaryFolders();

/** Runs `exithead train` in a process of its own. */
function exitheadTrain(...words: string[]) {
  const child = spawn(process.execPath, ['--import', 'tsx', 'src/cli.ts', 'train', ...words]);
  const said: string[] = [];
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (data) => said.push(String(data)));
  const ended = once(child, 'exit').then(([code, signal]) => ({
    code: code as number | null,
    signal: signal as NodeJS.Signals | null,
  }));
  return { child, ended, said: () => said.join('') };
}

/** Waits for the first checkpoint of a run. */
async function firstCheckpoint(checkpoints: string, giveUp: Promise<unknown>): Promise<void> {
  let ended = false;
  void giveUp.then(() => (ended = true));
  while (!ended) {
    const names = await readdir(checkpoints).catch(() => []);
    if (names.some((name) => /^step-\d+\.safetensors$/.test(name))) return;
    await setTimeout(5);
  }
  throw new Error('the training ended before its first checkpoint');
}

describe('a training that is killed', () => {
  it('ends in the same heads, byte for byte, once it is resumed', async () => {
    const path = await writeProject(await folder());
    const root = join(path, '..');
    // Long enough that the kill comes in the middle, and a checkpoint every few milliseconds: it may hit a write.
    const config = [path, '--set', 'train.steps=800', '--set', 'train.checkpointEvery=10'];
    const [whole, cut] = [join(root, 'whole'), join(root, 'cut')];
    const uninterrupted = exitheadTrain(...config, '--out', whole);
    const killed = exitheadTrain(...config, '--out', cut);
    const run = join(cut, '001-tiny');
    await firstCheckpoint(join(run, 'checkpoints'), killed.ended);
    await setTimeout(300 * Math.random());
    killed.child.kill('SIGKILL');
    expect(await killed.ended).toEqual({ code: null, signal: 'SIGKILL' });
    expect(existsSync(join(run, 'heads.safetensors'))).toBe(false);

    const resumed = exitheadTrain(...config, '--out', cut, '--resume');
    expect([await resumed.ended, resumed.said()]).toEqual([
      { code: 0, signal: null },
      expect.stringMatching(/going on after step \d+0 of 800/),
    ]);
    expect(await uninterrupted.ended).toEqual({ code: 0, signal: null });
    const heads = (out: string) => readFileSync(join(out, '001-tiny', 'heads.safetensors'));
    expect(heads(cut).equals(heads(whole))).toBe(true);
    expect(await untimed(await openRun(run))).toEqual(await untimed(await openRun(join(whole, '001-tiny'))));
    expect(await readdir(cut)).toEqual(['001-tiny']);
  }, 180_000);
});
