// How does a call leave its results in memory that is already there? Without this, every state would be copied each step.
import type * as ort from 'onnxruntime-node';
import { endMark } from '../trace/onnx.js';

/** What onnxruntime-node says of an output that is no tensor. */
const refusal = 'Non tensor type is temporarily not supported.';

/**
 * Runs a model whose first output is the end mark, an empty sequence; every other output is written to its target.
 *
 * onnxruntime writes into the arrays it is given for its outputs, but onnxruntime-node then copies each of them into a
 * new one: for a step of training that is all weights, moments and averages, page faults included. It goes through the
 * outputs in order and refuses those that are no tensors. The end mark, standing first, ends the call there: all is
 * computed and written, nothing is copied. Should a later version hand out sequences, the call merely takes longer.
 */
export async function runInPlace(
  session: ort.InferenceSession,
  inputs: Readonly<Record<string, ort.Tensor>>,
  targets: ReadonlyMap<string, ort.Tensor>,
): Promise<void> {
  let outputs: ort.InferenceSession.OnnxValueMapType;
  try {
    outputs = await session.run(inputs, { [endMark]: null, ...Object.fromEntries(targets) });
  } catch (error) {
    if (String(error).endsWith(refusal)) return;
    throw error;
  }
  for (const [name, target] of targets) {
    const made = outputs[name]?.data;
    if (made instanceof Float32Array && made !== target.data) (target.data as Float32Array).set(made);
    if (made instanceof Int32Array && made !== target.data) (target.data as Int32Array).set(made);
  }
}
