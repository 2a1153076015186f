// Which network tells small images apart, and how does one step train it? A multilayer perceptron, in one graph.
import { xavierUniform, zeros } from '../backbones/init.js';
import { geluTanh, linear, linearWeights } from '../backbones/layers.js';
import type { InputSpec, Step, Tensors } from '../engine/engine.js';
import type { HostTensors } from '../engine/tensors.js';
import { tf } from '../engine/tf.js';
import { adamwStep } from '../training/adamw.js';
import { named, part } from '../training/state.js';

const optimizer = { beta1: 0.9, beta2: 0.999, eps: 1e-8, weightDecay: 0.02, clip: 1 };

/**
 * Weights before training: `fc1.weight` [out, in] xavier-uniform, `fc1.bias` [out] zero, and so on to `fc3`.
 * @param inputs numbers in an image
 */
export function initialNetwork(inputs: number, classes: number, seed: number): HostTensors {
  const outputs = [256, featureWidth, classes];
  const layers = outputs.map((to, i): HostTensors => {
    const from = outputs[i - 1] ?? inputs;
    const weight = `fc${i + 1}.weight`;
    return {
      [weight]: xavierUniform([to, from], seed, `classifier/${weight}`),
      [`fc${i + 1}.bias`]: zeros([to]),
    };
  });
  return Object.assign({}, ...layers) as HostTensors;
}

/**
 * Unnormalised log-probabilities.
 * @param x [B, numbers in an image]
 * @returns [B, classes]
 */
export function logits(weights: Tensors, x: tf.Tensor): tf.Tensor {
  return decided(weights, features(weights, x));
}

/** Numbers in a feature vector. */
export const featureWidth = 128;

/**
 * What the last layer decides by: images that look alike to the classifier lie close together.
 * @param x [B, numbers in an image]
 * @returns [B, featureWidth]
 */
export function features(weights: Tensors, x: tf.Tensor): tf.Tensor {
  const layer = (h: tf.Tensor, name: string): tf.Tensor => geluTanh(linear(h, linearWeights(weights, name)));
  return layer(layer(x, 'fc1'), 'fc2');
}

/** The last layer: from features to logits. */
export function decided(weights: Tensors, seen: tf.Tensor): tf.Tensor {
  return linear(seen, linearWeights(weights, 'fc3'));
}

/** The state of `trainingStep` before the first step. */
export function initialTraining(weights: HostTensors): HostTensors {
  const moments = Object.fromEntries(Object.entries(weights).map(([name, w]) => [name, zeros(w.shape)]));
  return { ...named('w', weights), ...named('m', moments), ...named('v', moments), step: zeros([]) };
}

/** What `trainingStep` is fed. */
export function trainingInputs(inputs: number, classes: number): Readonly<Record<string, InputSpec>> {
  return { x: { shape: ['batch', inputs] }, target: { shape: ['batch', classes] }, lr: { shape: [] } };
}

/**
 * One step of AdamW on the cross-entropy of the fed target distributions. The result `loss` is its mean over the batch,
 * before the step.
 */
export const trainingStep: Step = (state, batch) => {
  const { x, target, lr } = batch;
  if (!x || !target || !lr) throw new Error('classifier: x, target and lr are fed');
  const weights = part(state, 'w');
  const names = Object.keys(weights);
  const record = (values: readonly tf.Tensor[]): Tensors =>
    Object.fromEntries(values.map((value, i) => [names[i] ?? '', value]));
  // logSoftmax takes the largest logit off first, so that no exponential overflows.
  const loss = (...values: tf.Tensor[]): tf.Scalar =>
    tf.neg(tf.mean(tf.sum(tf.mul(tf.logSoftmax(logits(record(values), x)), target), -1)));
  const { value, grads } = tf.valueAndGrads(loss)(Object.values(weights));
  const next = adamwStep(weights, state, record(grads), lr, optimizer);
  return { state: { ...named('w', next.weights), ...next.moments }, out: { loss: value } };
};
