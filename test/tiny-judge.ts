// A judge for pipelines on made-up images: an ONNX network of 8 x 8 images that takes no training.
import { writeFileSync } from 'node:fs';
import { tf } from '../src/engine/tf.js';
import type { FeaturesFile } from '../src/evaluate/featuresFile.js';
import { stream } from '../src/random.js';
import { writeOnnx } from '../src/trace/onnx.js';
import { trace } from '../src/trace/trace.js';

const [size, width] = [64, 6];

const description: FeaturesFile = {
  format: 'exithead-features',
  version: 1,
  input: { name: 'batch/x', layout: 'NCHW', size: 8, channels: 'grey' },
  resize: 'none',
  mean: [0.5],
  std: [0.5],
  features: 'out/features',
};

/** Six fixed projections of the pixels. @param path of the .onnx file; its description is written beside it */
export function writeTinyJudge(path: string): string {
  const w = { shape: [size, width], data: stream(1, 'judge').normals(size * width) };
  const { graph } = trace(
    (_state, { x }, frozen) => ({
      state: {},
      out: {
        features: tf.tanh(tf.div(tf.matMul(tf.reshape(x!, [-1, size]), frozen['w'] as tf.Tensor2D), 8)),
      },
    }),
    { state: {}, batch: { x: { shape: ['batch', 1, 8, 8] } }, frozen: { w } },
  );
  writeFileSync(path, writeOnnx(graph).model);
  writeFileSync(path.replace(/\.onnx$/, '.json'), JSON.stringify(description));
  return path;
}
