// How far is it, and how long will it take? A bar on a terminal, now and then a line in a pipe.
import { SingleBar } from 'cli-progress';
import type { Progress } from '../training/progress.js';

export const noProgress: Progress = { update: () => undefined, end: () => undefined };

/** A bar that is drawn over itself. @param stream a terminal */
export function progressBar(stream: NodeJS.WritableStream, label: string, now = Date.now): Progress {
  const bar = new SingleBar({
    stream,
    format: `${label} [{bar}] {value}/{total}{left}{values}`,
    barsize: 24,
    fps: 4,
    gracefulExit: false,
  });
  const left = estimate(now);
  let started = false;
  return {
    update(done, total, values) {
      const payload = { left: withComma(left(done, total)), values: withComma(inWords(values)) };
      if (!started) bar.start(total, done, payload);
      started = true;
      bar.setTotal(total);
      bar.update(done, payload);
    },
    end() {
      if (started) bar.stop();
      started = false;
    },
  };
}

const quietMs = 10_000;

/** One line at the start, at most one every 10 s, and one at the end. */
export function progressLines(write: (line: string) => void, label: string, now = Date.now): Progress {
  const left = estimate(now);
  let latest: string | undefined;
  let writtenAt = -Infinity;
  const flush = (): void => {
    if (latest === undefined) return;
    write(latest);
    latest = undefined;
    writtenAt = now();
  };
  return {
    update(done, total, values) {
      const percent = total > 0 ? ` (${Math.floor((100 * done) / total)}%)` : '';
      latest = `${label} ${done}/${total}${percent}${withComma(left(done, total))}${withComma(inWords(values))}`;
      if (now() - writtenAt >= quietMs) flush();
    },
    end: flush,
  };
}

/** Time left, from the speed since the first update: what a resumed run did before does not count. */
function estimate(now: () => number): (done: number, total: number) => string {
  let first: { readonly done: number; readonly at: number } | undefined;
  return (done, total) => {
    first ??= { done, at: now() };
    if (done <= first.done || done >= total) return '';
    return `${duration(((now() - first.at) / (done - first.done)) * (total - done))} left`;
  };
}

/** A time in words. @param ms milliseconds */
export function duration(ms: number): string {
  const seconds = Math.round(ms / 1000);
  const [hours, minutes] = [Math.floor(seconds / 3600), Math.floor((seconds % 3600) / 60)];
  if (hours > 0) return `${hours} h ${minutes} min`;
  return minutes > 0 ? `${minutes} min ${seconds % 60} s` : `${seconds} s`;
}

function inWords(values: Readonly<Record<string, number>>): string {
  return Object.entries(values)
    .map(([name, value]) => `${name} ${Number.isInteger(value) ? value : value.toPrecision(4)}`)
    .join(', ');
}

function withComma(text: string): string {
  return text ? `, ${text}` : '';
}
