// Are two ways of computing a layer the same, gradients included?
import { expect } from '@jest/globals';
import { tf } from '../../src/engine/tf.js';
import { stream } from '../../src/random.js';

export type Layers = (...inputs: tf.Tensor[]) => tf.Tensor;

export const normals = (shape: number[], purpose: string): tf.Tensor =>
  tf.tensor(stream(7, purpose).normals(shape.reduce((a, b) => a * b, 1)), shape);

/** Value and gradients of a sum with fixed random weights, so that no entry of dy is like another. */
export function valueAndGradients(f: Layers, inputs: tf.Tensor[]): { value: tf.Tensor; grads: tf.Tensor[] } {
  const value = f(...inputs);
  const dy = normals(value.shape, 'dy');
  const { grads } = tf.valueAndGrads((...given) => tf.sum(tf.mul(f(...given), dy)))(inputs);
  return { value, grads };
}

/** Holds values and gradients of two functions together on normal inputs of these shapes. */
export function expectSame(f: Layers, reference: Layers, shapes: number[][], tolerance: number): void {
  tf.tidy(() => {
    const inputs = shapes.map((shape, i) => normals(shape, `input ${i}`));
    const actual = valueAndGradients(f, inputs);
    const expected = valueAndGradients(reference, inputs);
    expect(actual.value.shape).toEqual(expected.value.shape);
    expect(actual.value.dataSync()).toBeAllClose(expected.value.dataSync(), tolerance);
    expected.grads.forEach((grad, i) => {
      expect(actual.grads[i]!.shape).toEqual(grad.shape);
      expect(actual.grads[i]!.dataSync()).toBeAllClose(grad.dataSync(), tolerance);
    });
  });
}
