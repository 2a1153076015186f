// Which small computations must an engine get right? Each stands for something that models or training need.
import type { BackboneSpec, LabelledSpec } from '../backbones/backbone.js';
import { familyOf } from '../backbones/families.js';
import { ditSpec } from '../backbones/spec.js';
import type { CompileOptions, Feeds, Step } from '../engine/engine.js';
import { sizeOf, type HostTensor, type HostTensors } from '../engine/tensors.js';
import { tf } from '../engine/tf.js';
import { headPlan, type HeadPlan } from '../exits/heads.js';
import { exitStep, queryInputs } from '../exits/model.js';
import { stream } from '../random.js';
import { headsInputs, headsStep, lossFeeds, targetsOf } from '../training/headsStep.js';
import { initialState } from '../training/state.js';
import { headsAtStart } from '../training/trainHeads.js';

export interface EngineCase {
  readonly name: string;
  readonly step: Step;
  readonly options: CompileOptions;
  /** One call for each. */
  readonly feeds: readonly Feeds[];
}

/** A DiT that is run and trained in a moment, with more tokens than some operators for attention handle in one piece. */
const tiny = ditSpec({
  input_size: 14,
  patch_size: 2,
  in_channels: 1,
  hidden_size: 32,
  depth: 3,
  num_heads: 4,
  mlp_ratio: 4,
  num_classes: 5,
  learn_sigma: false,
});

export async function engineCases(): Promise<readonly EngineCase[]> {
  return [linearLayer, rowsOfTable, wholeBackbone(tiny), await headTraining(tiny)];
}

/** Weights lie as [out, in], so the product transposes them; some backends add the bias wrongly then. */
const linearLayer: EngineCase = {
  name: 'linear layer, and its gradient',
  step: ({ w, b }, { x }) => {
    const product = (weight: tf.Tensor, bias: tf.Tensor): tf.Tensor =>
      tf.fused.matMul({ a: x as tf.Tensor2D, b: weight, transposeB: true, bias });
    const loss = (weight: tf.Tensor, bias: tf.Tensor): tf.Scalar => tf.sum(tf.square(product(weight, bias)));
    const { value, grads } = tf.valueAndGrads(loss)([need(w), need(b)]);
    return { state: { w: need(grads[0]), b: need(grads[1]) }, out: { loss: value } };
  },
  options: {
    state: { w: normals('linear/w', [7, 5]), b: normals('linear/b', [7]) },
    batch: { x: { shape: ['batch', 5] } },
    frozen: {},
  },
  feeds: [{ x: stream(0, 'linear/x').normals(3 * 5) }],
};

/** Rows that are taken twice get the sum of both gradients. */
const rowsOfTable: EngineCase = {
  name: 'rows taken from a table, and its gradient',
  step: ({ table }, { rows }) => {
    const loss = (all: tf.Tensor): tf.Scalar => tf.sum(tf.square(tf.gather(all, rows as tf.Tensor1D)));
    const { value, grad } = tf.valueAndGrad(loss)(need(table));
    return { state: { table: grad }, out: { loss: value } };
  },
  options: {
    state: { table: normals('table', [6, 4]) },
    batch: { rows: { shape: ['batch'], dtype: 'int32' } },
    frozen: {},
  },
  feeds: [{ rows: Int32Array.of(3, 0, 3, 5, 3) }],
};

function wholeBackbone(spec: LabelledSpec): EngineCase {
  return {
    name: `sampling step through the ${spec.depth} blocks of a DiT`,
    step: exitStep({ spec, plans: [] }, spec.depth, false),
    options: { state: {}, batch: queryInputs(spec), frozen: randomWeights(spec) },
    feeds: [queryFeeds(spec, 3, 1)],
  };
}

/** Three steps: losses, gradients, clipping, AdamW and the average of the weights all show in the last state. */
async function headTraining(spec: LabelledSpec): Promise<EngineCase> {
  const backbone = randomWeights(spec);
  const plans = [headPlan('adapter', 1, { bottleneck: 8 }), headPlan('block', 2)];
  const heads = await headsAtStart({ spec, weights: backbone }, plans, 0);
  // A large eps: where a gradient is zero but for rounding, its sign would decide a whole step otherwise.
  const update = { beta1: 0.9, beta2: 0.999, eps: 0.01, weightDecay: 0.01, clip: 1, ema: 0.9 };
  return {
    name: 'three training steps of heads',
    step: headsStep(spec, plans, targets, update),
    options: { state: initialState(heads), batch: headsInputs(spec, plans, targets), frozen: backbone },
    feeds: [1, 2, 3].map((call) => trainingFeeds(spec, plans, 4, call)),
  };
}

/** Inputs of one call without training. @param call keys the numbers */
export function queryFeeds(spec: LabelledSpec, batch: number, call: number): Record<string, Feeds[string]> {
  const random = stream(0, 'engine check', call);
  return {
    x: random.normals(batch * spec.channels * spec.imageSize ** 2),
    t: Float32Array.from({ length: batch }, (_, i) => Math.floor((i + 0.5) * (spec.timeSteps / batch))),
    y: Int32Array.from({ length: batch }, (_, i) => i % spec.classes),
  };
}

/** What heads are trained for here: all count the same, and so do both distances. */
export const targets = targetsOf({ denoising: 1, distillation: 1 });

/** Inputs of one training step. */
export function trainingFeeds(
  spec: LabelledSpec,
  plans: readonly HeadPlan[],
  batch: number,
  call: number,
): Feeds {
  const query = queryFeeds(spec, batch, call);
  const noise = stream(1, 'engine check', call).normals(batch * spec.channels * spec.imageSize ** 2);
  const loss = { denoising: 1, distillation: 1, exitWeights: plans.map(() => 1 / plans.length) };
  return { ...query, ...lossFeeds(loss, new Float32Array(batch).fill(1)), noise, lr: 0.01 };
}

/** Small everywhere and nowhere zero, unlike the start of a training. */
export function randomWeights(spec: BackboneSpec): HostTensors {
  const shapes = Object.entries(familyOf(spec).shapes(spec));
  return Object.fromEntries(shapes.map(([name, shape]) => [name, normals(name, shape, 0.08)]));
}

function normals(name: string, shape: readonly number[], deviation = 1): HostTensor {
  const data = stream(0, `engine check/${name}`).normals(sizeOf(shape));
  return { shape, data: deviation === 1 ? data : data.map((x) => deviation * x) };
}

function need<T>(value: T | undefined): T {
  if (value === undefined) throw new Error('a case lacks one of its tensors');
  return value;
}
