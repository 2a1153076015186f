// exithead's side of the bench: answers the requests of job.ts, one per line.
import { readFile } from 'node:fs/promises';
import { performance } from 'node:perf_hooks';
import { stdin, stdout } from 'node:process';
import { createInterface } from 'node:readline';
import { messageOf, unreachable } from '../../../src/errors.js';
import type { Answers, Request } from './job.js';
import { openWork, type OpenWork } from './work.js';

let work: OpenWork | undefined;

async function answer(request: Request): Promise<Answers[keyof Answers]> {
  if (request.do === 'open') {
    const { job } = request;
    if (job.side.by !== 'exithead') throw new Error(`this side is exithead, not ${job.side.by}`);
    const idleMegabytes = await peakMegabytes();
    work = await openWork(job, job.side);
    return { macs: work.macs, idleMegabytes };
  }
  if (request.do === 'peak') return { megabytes: await peakMegabytes() };
  if (!work) throw new Error(`nothing is open to ${request.do}`);
  switch (request.do) {
    case 'run': {
      const milliseconds: number[] = [];
      const results: (readonly number[])[] = [];
      for (let i = 0; i < request.times; i++) {
        const start = performance.now();
        results.push(await work.run());
        milliseconds.push(performance.now() - start);
      }
      return { milliseconds, results };
    }
    case 'state':
      return { state: await work.state() };
    default:
      return unreachable(request);
  }
}

/** Most memory this process ever held; null where the system does not say. */
async function peakMegabytes(): Promise<number | null> {
  const status = await readFile('/proc/self/status', 'utf8').catch(() => '');
  const [, kilobytes] = /^VmHWM:\s+(\d+)/m.exec(status) ?? [];
  return kilobytes === undefined ? null : Number(kilobytes) / 1024;
}

for await (const line of createInterface({ input: stdin })) {
  try {
    stdout.write(`${JSON.stringify(await answer(JSON.parse(line) as Request))}\n`);
  } catch (error) {
    stdout.write(`${JSON.stringify({ error: messageOf(error) })}\n`);
  }
}
