// How long does a step through each exit take on this machine? Exits in turns, warm, so that all meet the same load.
import type { Engine } from '../engine/engine.js';
import { Interrupted } from '../errors.js';
import { openDenoiser } from '../exits/denoiser.js';
import { exitsOf, type Model } from '../exits/model.js';
import { promptsOf, type Prompts } from '../exits/prompts.js';
import type { Progress } from '../training/progress.js';
import type { MeasuredCosts } from './schedule.js';

export interface ExitSecondsOptions {
  readonly engine: Engine;
  readonly model: Model;
  /** Samples at once. */
  readonly batch: number;
  /** 1 is unguided. */
  readonly guidance: number;
  /** How often each exit runs; the median counts. */
  readonly rounds: number;
  readonly prompts?: Prompts;
  readonly signal: AbortSignal;
  readonly progress: Progress;
}

/**
 * Seconds of one step on one sample, by exit. Full depth leaves what all heads remember, so that its time holds for
 * schedules that use every one of them.
 * @throws Interrupted after the signal
 */
export async function exitSeconds(options: ExitSecondsOptions): Promise<MeasuredCosts> {
  const { engine, model, batch, guidance, rounds, signal, progress } = options;
  const { prompts = promptsOf(model.spec) } = options;
  const exits = exitsOf(model);
  const { spec } = model;
  const denoiser = await openDenoiser(engine, model, exits, guidance !== 1, prompts);
  const request = {
    x: new Float32Array(batch * spec.channels * spec.imageSize ** 2),
    y: new Int32Array(batch),
    ...{ t: 0, guidance },
  };
  const seconds = exits.map((): number[] => []);
  try {
    await denoiser.warmUp(batch);
    for (let round = 0; round < rounds; round++) {
      const trajectory = denoiser.begin();
      // Full depth comes first: the others may remember it.
      for (const [k, exit] of [...exits.entries()].reverse()) {
        if (signal.aborted) throw new Interrupted('stopped measuring seconds; nothing was kept');
        const from = performance.now();
        await trajectory.predict(exit, request);
        seconds[k]?.push((performance.now() - from) / 1000 / batch);
      }
      progress.update(round + 1, rounds, {});
    }
  } finally {
    progress.end();
    await denoiser.dispose();
  }
  return {
    ...{ engine: engine.kind, batch, guided: guidance !== 1 },
    seconds: seconds.map(median),
  };
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? NaN;
}
