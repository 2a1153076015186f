// What a kernel of the tracing backend is, and how it reads its TensorFlow.js attributes.
import type { Graph, Value } from '../graph.js';

export type Attributes = Readonly<Record<string, unknown>>;
export type Inputs = Readonly<Record<string, Value>>;
/** Records one TensorFlow.js kernel as ONNX nodes; same numbers, same shapes. */
export type Kernel = (graph: Graph, inputs: Inputs, attributes: Attributes) => Value | Value[];

export function input(inputs: Inputs, name: string): Value {
  const value = inputs[name];
  if (!value) throw new Error(`trace: input ${name} is missing`);
  return value;
}

export function number(attributes: Attributes, name: string): number {
  const value = attributes[name];
  if (typeof value !== 'number') throw new Error(`trace: attribute ${name} is not a number`);
  return value;
}

export function numbers(attributes: Attributes, name: string): number[] {
  const value = attributes[name];
  if (typeof value === 'number') return [value];
  if (value instanceof Int32Array) return [...value];
  if (Array.isArray(value) && value.every((x) => typeof x === 'number')) return value;
  throw new Error(`trace: attribute ${name} is not a list of numbers: ${JSON.stringify(value)}`);
}

/** A negative axis counts from the end. */
export function axis(attributes: Attributes, name: string, rank: number): number {
  const at = number(attributes, name);
  return at < 0 ? at + rank : at;
}

export function sameShape(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((d, i) => d === b[i]);
}

/** The shape two operands broadcast to. */
export function broadcastShape(a: readonly number[], b: readonly number[]): number[] {
  const rank = Math.max(a.length, b.length);
  return Array.from({ length: rank }, (_, i) => {
    const [x, y] = [a[i - rank + a.length] ?? 1, b[i - rank + b.length] ?? 1];
    if (x !== y && x !== 1 && y !== 1)
      throw new Error(`trace: [${a.join()}] and [${b.join()}] do not broadcast`);
    return x === 1 ? y : x;
  });
}
