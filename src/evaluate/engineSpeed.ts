// How fast is an engine: at a product of matrices, at a DiT's sampling step, at a training step of heads?
import type { LabelledSpec } from '../backbones/backbone.js';
import { ditSpec } from '../backbones/spec.js';
import type { CompiledStep, Engine, Feeds } from '../engine/engine.js';
import { tf } from '../engine/tf.js';
import { headPlan } from '../exits/heads.js';
import { exitStep, queryInputs } from '../exits/model.js';
import { stream } from '../random.js';
import { headsInputs, headsStep } from '../training/headsStep.js';
import { initialState } from '../training/state.js';
import { headsAtStart } from '../training/trainHeads.js';
import { queryFeeds, randomWeights, targets, trainingFeeds } from './engineCases.js';

export interface Speed {
  readonly name: string;
  /** Median of the calls. */
  readonly seconds: number;
  readonly calls: number;
  /** Billions of floating-point operations per second; a multiply-add counts as two. */
  readonly gflops: number;
}

export interface SpeedOptions {
  readonly signal: AbortSignal;
  /** Seconds that each measurement may take, and then as long as its last call takes. */
  readonly seconds: number;
  /** The backbone that is run and trained. */
  readonly spec?: LabelledSpec;
  /** Of the matrices. */
  readonly sides?: readonly number[];
  readonly onResult?: (result: Speed) => void;
}

/** Of DiT-S/2's width and depth, on 8 x 8 patches. */
const benchmarked = ditSpec({
  input_size: 16,
  patch_size: 2,
  in_channels: 4,
  hidden_size: 384,
  depth: 12,
  num_heads: 6,
  mlp_ratio: 4,
  num_classes: 10,
  learn_sigma: false,
});

/** Samples of one call: enough to keep a GPU busy, few enough for an engine that takes seconds for each. */
function batchFor(gflops: number): number {
  if (gflops > 1000) return 128;
  return gflops < 15 ? 2 : 16;
}

/** Below this a call takes minutes: software that stands in for a GPU. What is larger is then left out. */
const leastGflops = 1;

/** Measures one after the other, as far as `signal` lets it. */
export async function engineSpeed(engine: Engine, options: SpeedOptions): Promise<readonly Speed[]> {
  const { spec = benchmarked, sides = [256, 1024, 4096], signal, onResult } = options;
  const results: Speed[] = [];
  for (const side of sides) {
    // A CPU would take long for the larger one and be no faster; a GPU is idle half of the time at the smaller one.
    const before = results.at(-1)?.gflops ?? Infinity;
    if (before < leastGflops) return results;
    if (side > 1024 && before < 1000) continue;
    await measure(
      `product of ${side} x ${side}`,
      () => 2 * productsPerCall * side ** 3,
      () => products(engine, side),
    );
  }
  const batch = batchFor(results.at(-1)?.gflops ?? 0);
  const weights = randomWeights(spec);
  const ofBatch = (step: CompiledStep): number => 2 * step.macs * batch;
  const about = `${spec.depth} blocks of width ${spec.width}, batch ${batch}`;
  await measure(`sampling step, ${about}`, ofBatch, async () => ({
    step: await engine.compile(exitStep({ spec, plans: [] }, spec.depth, false), {
      state: {},
      batch: queryInputs(spec),
      frozen: weights,
    }),
    feeds: queryFeeds(spec, batch, 0),
  }));
  const plans = Array.from({ length: spec.depth - 1 }, (_, i) => headPlan('linear', i + 1));
  await measure(`training step of ${plans.length} heads on it`, ofBatch, async () => {
    const update = { beta1: 0.9, beta2: 0.999, eps: 1e-8, weightDecay: 0, clip: 1, ema: 0.99 };
    const step = await engine.compile(headsStep(spec, plans, targets, update), {
      state: initialState(await headsAtStart({ spec, weights }, plans, 0)),
      batch: headsInputs(spec, plans, targets),
      frozen: weights,
    });
    return { step, feeds: trainingFeeds(spec, plans, batch, 0) };
  });
  return results;

  async function measure(
    name: string,
    flops: (step: CompiledStep) => number,
    make: () => Promise<Prepared>,
  ): Promise<void> {
    if (signal.aborted) return;
    const { step, feeds } = await make();
    try {
      const { seconds, calls } = await timed(step, feeds, options);
      const gflops = flops(step) / seconds / 1e9;
      const result = { name, seconds, calls, gflops };
      results.push(result);
      onResult?.(result);
    } finally {
      await step.dispose();
    }
  }
}

interface Prepared {
  readonly step: CompiledStep;
  readonly feeds: Feeds;
}

/** Enough that what a call costs by itself does not matter. */
const productsPerCall = 8;

/** The numbers stay with the engine: only products are measured, no copies. */
async function products(engine: Engine, side: number): Promise<Prepared> {
  const shape = [side, side];
  const data = stream(0, 'product').normals(side * side);
  const step = await engine.compile(
    ({ x }, _batch, { w }) => {
      let product = x as tf.Tensor2D;
      for (let i = 0; i < productsPerCall; i++) product = tf.matMul(product, w as tf.Tensor2D);
      return { state: { x: product }, out: { first: tf.slice(product, [0, 0], [1, 1]) } };
    },
    {
      // Scaled, so that products stay as large as their factors are.
      state: { x: { shape, data } },
      frozen: { w: { shape, data: data.map((x) => x / Math.sqrt(side)) } },
      batch: {},
    },
  );
  return { step, feeds: {} };
}

/** Two calls to warm up: what is allocated and compiled on first use. */
async function timed(
  step: CompiledStep,
  feeds: Feeds,
  { seconds, signal }: SpeedOptions,
): Promise<{ seconds: number; calls: number }> {
  const took: number[] = [];
  for (let call = 0, spent = 0; call < 3 || (spent < seconds && took.length < 100); call++) {
    if (signal.aborted && took.length > 0) break;
    const start = performance.now();
    await step(feeds);
    const now = (performance.now() - start) / 1000;
    if (call >= 2) took.push(now);
    if (call >= 2) spent += now;
  }
  const sorted = took.sort((a, b) => a - b);
  return { seconds: sorted[Math.floor(sorted.length / 2)] ?? NaN, calls: took.length };
}
