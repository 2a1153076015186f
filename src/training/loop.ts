// How does one training step follow the other, and what is left when it ends early?
import { setImmediate } from 'node:timers/promises';
import type { CompiledStep, Feeds } from '../engine/engine.js';
import type { HostTensor, HostTensors } from '../engine/tensors.js';
import { Interrupted, messageOf, UserError } from '../errors.js';
import { checkpointPath, saveCheckpoint, type Checkpoint, type SaveOptions } from './checkpoints.js';
import { openMetrics, type Metrics, type MetricsLine } from './metrics.js';
import type { Progress } from './progress.js';
import { logLine, type Run } from './runFolder.js';

export interface TrainOptions {
  readonly run: Run;
  /** State of training/state.ts; every result is a scalar, among them `loss`. */
  readonly step: CompiledStep;
  /** Number of steps done before: 0, or that of the checkpoint whose state the step was compiled with. */
  readonly start: number;
  /** Number of steps of the whole run. */
  readonly steps: number;
  /** What step `index` is fed, counted from 0. It depends on the index alone, so a resumed run repeats nothing. */
  readonly feeds: (index: number) => Feeds | Promise<Feeds>;
  /** Steps between two lines of metrics; the first and the last step are always among them. */
  readonly logEvery: number;
  /** Steps between two checkpoints; the last step always leaves one. */
  readonly checkpointEvery: number;
  /** How checkpoints are saved. */
  readonly saving?: SaveOptions;
  readonly onLog?: (line: MetricsLine) => void;
  readonly onCheckpoint?: (checkpoint: Checkpoint, metrics: Metrics) => void | Promise<void>;
  /** Ends the run after the step at hand, with a checkpoint. */
  readonly signal: AbortSignal;
  readonly progress: Progress;
}

/**
 * Runs steps `start` to `steps`. Metrics are numbered by steps done, and hold the results of that step and the scalars
 * it was fed, such as the learning rate.
 * @returns the state after the last step
 * @throws UserError as soon as a result is not finite; the checkpoints before it stay
 * @throws Interrupted after the signal, once the state is saved
 */
export async function train(options: TrainOptions): Promise<HostTensors> {
  const { run, start, steps, progress } = options;
  await logLine(run, start === 0 ? `training for ${steps} steps` : `going on from step ${start} of ${steps}`);
  try {
    const state = await runSteps(options);
    await logLine(run, `finished ${steps} steps`);
    return state;
  } catch (error) {
    // A full disk that ended the run must not hide behind the log that it cannot take.
    await logLine(run, messageOf(error)).catch(() => undefined);
    throw error;
  } finally {
    progress.end();
  }
}

async function runSteps(options: TrainOptions): Promise<HostTensors> {
  const { run, step, start, steps, feeds, signal, progress } = options;
  const metrics = await openMetrics(run, start);
  let saved = start;
  for (let done = start; done < steps;) {
    // The engine blocks the event loop while it computes; here signals and drawings get their turn.
    await setImmediate();
    if (signal.aborted) {
      const { path } = await save(options);
      throw new Interrupted(`stopped after ${done} of ${steps} steps; saved ${path}. Go on with --resume.`);
    }
    const fed = await feeds(done);
    const results = scalars(await step(fed));
    done++;
    requireFinite(results, done, saved > 0 ? checkpointPath(run, saved) : undefined);
    const values = { ...fedScalars(fed), ...results };
    if (done === 1 || done === steps || done % options.logEvery === 0) {
      const line = await metrics.log(done, values);
      options.onLog?.(line);
    }
    if (done === steps || done % options.checkpointEvery === 0) {
      const checkpoint = await save(options);
      saved = done;
      await options.onCheckpoint?.(checkpoint, metrics);
    }
    progress.update(done, steps, { loss: results['loss'] ?? NaN });
  }
  return step.read();
}

async function save({ run, step, saving }: TrainOptions): Promise<Checkpoint> {
  const checkpoint = await saveCheckpoint(run, await step.read(), saving);
  await logLine(run, `saved ${checkpoint.path}`);
  return checkpoint;
}

/** @param last path of the last checkpoint, if there is one */
function requireFinite(results: Readonly<Record<string, number>>, done: number, last?: string): void {
  const bad = Object.entries(results).find(([, value]) => !Number.isFinite(value));
  if (!bad) return;
  const [name, value] = bad;
  throw new UserError(
    `training stopped: ${name} became ${value} in step ${done}. ` +
      (last === undefined ? 'No checkpoint was saved before it. ' : `The last good checkpoint is ${last}. `) +
      'Check the data for NaN, or start a new run with a smaller optimizer.lr or optimizer.clip.',
  );
}

function scalars(results: Readonly<Record<string, HostTensor>>): Record<string, number> {
  return Object.fromEntries(
    Object.entries(results).map(([name, { data }]) => {
      const [value] = data;
      if (value === undefined || data.length > 1)
        throw new Error(`train: result '${name}' has ${data.length} numbers, expected a scalar`);
      return [name, value];
    }),
  );
}

function fedScalars(fed: Feeds): Record<string, number> {
  return Object.fromEntries(
    Object.entries(fed).flatMap(([name, value]) => (typeof value === 'number' ? [[name, value]] : [])),
  );
}
