import { appendFile, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { openMetrics, readMetrics } from '../../src/training/metrics.js';
import { createRun } from '../../src/training/runFolder.js';
import { temporaryFolders } from '../folder.js';

const folder = temporaryFolders();
const newRun = async () => createRun(await folder(), 'a', () => 'seed: 1\n');
const stepsOf = async (path: string) => (await readMetrics(path)).map(({ step }) => step);

describe('metrics', () => {
  it('are one JSON object per line', async () => {
    const run = await newRun();
    const before = Date.now() / 1000;
    const metrics = await openMetrics(run, 0);
    const line = await metrics.log(1, { loss: 0.5, lr: 1e-3 });
    await metrics.log(20, { loss: 0.25, lr: 1e-4 });
    const lines = (await readFile(run.metrics, 'utf8')).trim().split('\n');
    expect(lines).toHaveLength(2);
    expect(JSON.parse(lines[0]!)).toEqual(line);
    expect(line).toEqual({ step: 1, time: line.time, loss: 0.5, lr: 1e-3 });
    expect(line.time).toBeGreaterThanOrEqual(before);
  });
  it('forget what was recorded after the checkpoint that a run resumes from', async () => {
    const run = await newRun();
    const first = await openMetrics(run, 0);
    for (const step of [1, 10, 20, 30]) await first.log(step, { loss: step });
    await appendFile(run.metrics, '{"step": 40, "lo'); // killed while it wrote
    const second = await openMetrics(run, 20);
    expect(await stepsOf(run.metrics)).toEqual([1, 10, 20]);
    await second.log(30, { loss: 3 });
    expect(await stepsOf(run.metrics)).toEqual([1, 10, 20, 30]);
    expect(await readdir(run.tensorboard)).toHaveLength(2);
  });
  it('pass over lines that are none', async () => {
    const path = join(await folder(), 'metrics.jsonl');
    expect(await readMetrics(path)).toEqual([]);
    const lines = [
      '[1]',
      'null',
      '3',
      '',
      '{"step":1}',
      '{"step":2,"time":3,"loss":"x"}',
      '{"step":5,"time":3}',
    ];
    await writeFile(path, lines.join('\n'));
    expect(await readMetrics(path)).toEqual([{ step: 5, time: 3 }]);
  });
});
