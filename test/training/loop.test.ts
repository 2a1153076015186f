import { readdir, readFile, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import type { CompiledStep } from '../../src/engine/engine.js';
import { onnxEngine } from '../../src/engine/onnx.js';
import type { HostTensors } from '../../src/engine/tensors.js';
import { tf } from '../../src/engine/tf.js';
import { Interrupted, UserError } from '../../src/errors.js';
import { stream } from '../../src/random.js';
import { adamwStep } from '../../src/training/adamw.js';
import { latestCheckpoint } from '../../src/training/checkpoints.js';
import { emaStep } from '../../src/training/ema.js';
import { train, type TrainOptions } from '../../src/training/loop.js';
import { readMetrics, type MetricsLine } from '../../src/training/metrics.js';
import { createRun, type Run } from '../../src/training/runFolder.js';
import { initialState, named, part, stateShapes } from '../../src/training/state.js';
import { temporaryFolders } from '../folder.js';

const folder = temporaryFolders();
const newRun = async () => createRun(await folder(), 'a', () => 'seed: 1\n');
const weights = { w: { shape: [2], data: Float32Array.of(1, -2) } };
const shapes = stateShapes({ w: [2] });

/** w <- 0.9 w + x, one step counted; the loss is the sum of w. */
function fakeStep(
  initial: HostTensors,
  spoil?: { readonly at: number; readonly loss: number },
): CompiledStep {
  let state = structuredClone(initial);
  const run: Pick<CompiledStep, 'read' | 'macs' | 'dispose'> = {
    macs: 1,
    read: () => Promise.resolve(structuredClone(state)),
    dispose: () => Promise.resolve(),
  };
  return Object.assign((feeds: Readonly<Record<string, unknown>>) => {
    const x = Number(feeds['x']);
    const data = state['w.w']!.data.map((value) => 0.9 * value + x);
    const step = state['step']!.data[0]! + 1;
    state = { ...state, 'w.w': { shape: [2], data }, step: { shape: [], data: Float32Array.of(step) } };
    const loss = spoil?.at === step ? spoil.loss : data[0]! + data[1]!;
    return Promise.resolve({
      loss: { shape: [], data: Float32Array.of(loss) },
      norm: { shape: [], data: Float32Array.of(1) },
    });
  }, run);
}

const x = (index: number): number => stream(1, 'x', index).uniform();

function options(run: Run, more: Partial<TrainOptions> = {}): TrainOptions {
  return {
    run,
    step: fakeStep(initialState(weights)),
    start: 0,
    steps: 12,
    feeds: (index) => ({ x: x(index), batch: Float32Array.of(1) }),
    logEvery: 5,
    checkpointEvery: 4,
    signal: new AbortController().signal,
    progress: { update: () => undefined, end: () => undefined },
    ...more,
  };
}

const untimed = async (run: Run) =>
  (await readMetrics(run.metrics)).map((line): MetricsLine => ({ ...line, time: 0 }));
const checkpoints = async (run: Run) => (await readdir(run.checkpoints)).sort();
const noWarning = (message: string): void => {
  throw new Error(message);
};

/** Aborts once `count` steps are done. */
function abortAfter(count: number): Pick<TrainOptions, 'signal' | 'progress'> {
  const controller = new AbortController();
  return {
    signal: controller.signal,
    progress: {
      update: (done) => {
        // As Ctrl-C arrives: between two steps, from the event loop.
        if (done === count) setImmediate(() => controller.abort());
      },
      end: () => undefined,
    },
  };
}

describe('train', () => {
  it('feeds by index, logs the first, every fifth and the last step, and returns the last state', async () => {
    const run = await newRun();
    const fed: number[] = [];
    const told: number[] = [];
    const progress: string[] = [];
    const state = await train(
      options(run, {
        feeds: (index) => {
          fed.push(index);
          return Promise.resolve({ x: x(index), batch: Float32Array.of(1) });
        },
        onLog: ({ step }) => told.push(step),
        progress: {
          update: (done, total, values) => progress.push(`${done}/${total} ${Object.keys(values).join()}`),
          end: () => progress.push('end'),
        },
      }),
    );
    expect(fed).toEqual(Array.from({ length: 12 }, (_, i) => i));
    expect(told).toEqual([1, 5, 10, 12]);
    expect(progress).toHaveLength(13);
    expect(progress[0]).toBe('1/12 loss');
    expect(progress[12]).toBe('end');
    expect(state['step']!.data[0]).toBe(12);
    const [first] = await untimed(run);
    expect(first).toMatchObject({ step: 1, x: x(0), norm: 1 });
    expect(first!.loss).toBeCloseTo(-0.9 + 2 * x(0), 6);
  });
  it('saves checkpoints on the way and one at the end', async () => {
    const run = await newRun();
    const seen: number[] = [];
    await train(
      options(run, {
        steps: 10,
        onCheckpoint: async ({ step, path, state }, metrics) => {
          seen.push(step);
          expect(path).toBe(join(run.checkpoints, `step-${step}.safetensors`));
          expect(state['step']!.data[0]).toBe(step);
          const png = Uint8Array.of(0);
          await metrics.image(step, 'samples', { width: 1, height: 1, channels: 1, png });
        },
      }),
    );
    expect(seen).toEqual([4, 8, 10]);
    expect(await checkpoints(run)).toEqual(['step-10.safetensors', 'step-8.safetensors']);
  });
  it('ends up where an uninterrupted run does, whenever it is interrupted', async () => {
    const whole = await newRun();
    const expected = await train(options(whole));
    for (const count of [1, 4, 7, 11]) {
      const run = await newRun();
      await expect(train(options(run, abortAfter(count)))).rejects.toThrow(Interrupted);
      const checkpoint = (await latestCheckpoint(run, shapes, {}, noWarning))!;
      expect(checkpoint.step).toBe(count);
      const step = fakeStep(checkpoint.state);
      const state = await train(options(run, { step, start: checkpoint.step }));
      expect(state).toEqual(expected);
      expect(await untimed(run)).toEqual(await untimed(whole));
      expect(await untimed(run)).toHaveLength(4);
    }
  });
  it('ends up there too after a kill that saved nothing, also when the newest checkpoint is damaged', async () => {
    const whole = await newRun();
    const expected = await train(options(whole));
    const run = await newRun();
    const killed = new Error('killed');
    const feeds: TrainOptions['feeds'] = (index) => {
      if (index === 11) throw killed;
      return options(run).feeds(index);
    };
    await expect(train(options(run, { feeds }))).rejects.toBe(killed);
    expect(await checkpoints(run)).toEqual(['step-4.safetensors', 'step-8.safetensors']);
    await truncate(join(run.checkpoints, 'step-8.safetensors'), 100);
    const warnings: string[] = [];
    const checkpoint = (await latestCheckpoint(run, shapes, {}, (message) => warnings.push(message)))!;
    expect(checkpoint.step).toBe(4);
    expect(warnings).toHaveLength(1);
    const state = await train(options(run, { step: fakeStep(checkpoint.state), start: 4 }));
    expect(state).toEqual(expected);
    expect(await untimed(run)).toEqual(await untimed(whole));
  });
  it('does nothing more to a run that is finished', async () => {
    const run = await newRun();
    const expected = await train(options(run));
    const step = fakeStep((await latestCheckpoint(run, shapes, {}, noWarning))!.state);
    expect(await train(options(run, { step, start: 12 }))).toEqual(expected);
    expect(await untimed(run)).toHaveLength(4);
  });
  it.each([NaN, Infinity, -Infinity])('stops at once when the loss is %p', async (loss) => {
    const run = await newRun();
    const step = fakeStep(initialState(weights), { at: 10, loss });
    let ended = 0;
    const training = train(
      options(run, { step, progress: { update: () => undefined, end: () => (ended += 1) } }),
    );
    await expect(training).rejects.toThrow(UserError);
    await expect(training).rejects.toThrow(
      `loss became ${loss} in step 10. The last good checkpoint is ${join(run.checkpoints, 'step-8.safetensors')}`,
    );
    expect(ended).toBe(1);
    expect(await checkpoints(run)).toEqual(['step-4.safetensors', 'step-8.safetensors']);
    expect((await untimed(run)).map(({ step }) => step)).toEqual([1, 5]);
    expect(await readFile(run.log, 'utf8')).toContain(`loss became ${loss} in step 10`);
  });
  it('says so when no checkpoint was saved before the loss went wrong', async () => {
    const step = fakeStep(initialState(weights), { at: 1, loss: NaN });
    await expect(train(options(await newRun(), { step }))).rejects.toThrow('No checkpoint was saved');
  });
  it('stops before the first step when it is asked to', async () => {
    const run = await newRun();
    await expect(train(options(run, { signal: AbortSignal.abort() }))).rejects.toThrow(
      'stopped after 0 of 12 steps',
    );
    expect(await checkpoints(run)).toEqual(['step-0.safetensors']);
  });
  it('resumes a compiled AdamW step bit for bit', async () => {
    const compile = (state: HostTensors): Promise<CompiledStep> =>
      onnxEngine({ threads: 1, reason: 'test' }).compile(
        (old, { x, lr }) => {
          const loss = (w: tf.Tensor): tf.Scalar => tf.mean(tf.square(tf.sub(tf.mul(x!, w), 1)));
          const { value, grad } = tf.valueAndGrad(loss)(old['w.w']!);
          const next = adamwStep(part(old, 'w'), old, { w: grad }, lr!, {
            beta1: 0.9,
            beta2: 0.999,
            eps: 1e-8,
            weightDecay: 0.01,
            clip: 1,
          });
          const ema = emaStep(part(old, 'ema'), next.weights, next.moments['step']!, 0.999);
          return {
            state: { ...named('w', next.weights), ...next.moments, ...named('ema', ema) },
            out: { loss: value, norm: next.norm },
          };
        },
        { state, batch: { x: { shape: ['batch', 2] }, lr: { shape: [] } }, frozen: {} },
      );
    const feeds = (index: number) => ({ x: stream(0, 'x', index).normals(6), lr: 0.1 / (index + 1) });
    const whole = await newRun();
    const step = await compile(initialState(weights));
    const expected = await train(options(whole, { step, feeds }));
    await step.dispose();

    const run = await newRun();
    const first = await compile(initialState(weights));
    await expect(train(options(run, { step: first, feeds, ...abortAfter(6) }))).rejects.toThrow(Interrupted);
    await first.dispose();
    const checkpoint = (await latestCheckpoint(run, shapes, {}, noWarning))!;
    const second = await compile(checkpoint.state);
    const state = await train(options(run, { step: second, feeds, start: checkpoint.step }));
    await second.dispose();
    expect(state).toEqual(expected);
    expect(await untimed(run)).toEqual(await untimed(whole));
  });
});
