// What does a training run carry from one step to the next? Flat names: w.<weight>, m., v., ema., and step.
import type { HostTensors, Shapes } from '../engine/tensors.js';

/** w: weights; m, v: moments of AdamW; ema: averaged weights. */
export type StatePart = 'w' | 'm' | 'v' | 'ema';

/**
 * The state before the first step: no moments, and averages that equal the weights. Both are the arrays given, since an
 * engine keeps a copy of its own.
 */
export function initialState(weights: HostTensors): HostTensors {
  const zeros = (): HostTensors =>
    mapValues(weights, ({ shape, data }) => ({ shape, data: new Float32Array(data.length) }));
  return {
    ...named('w', weights),
    ...named('m', zeros()),
    ...named('v', zeros()),
    ...named('ema', weights),
    step: { shape: [], data: Float32Array.of(0) },
  };
}

/** Shapes of the state of a run that trains these weights. */
export function stateShapes(weights: Shapes): Shapes {
  return {
    ...named('w', weights),
    ...named('m', weights),
    ...named('v', weights),
    ...named('ema', weights),
    step: [],
  };
}

/** One part of a state under the names of the weights, in the order of the state. */
export function part<T>(state: Readonly<Record<string, T>>, name: StatePart): Record<string, T> {
  const prefix = `${name}.`;
  return Object.fromEntries(
    Object.entries(state).flatMap(([key, value]) =>
      key.startsWith(prefix) ? [[key.slice(prefix.length), value]] : [],
    ),
  );
}

/** The reverse of `part`. */
export function named<T>(name: StatePart, weights: Readonly<Record<string, T>>): Record<string, T> {
  return Object.fromEntries(Object.entries(weights).map(([key, value]) => [`${name}.${key}`, value]));
}

function mapValues<T, U>(record: Readonly<Record<string, T>>, f: (value: T) => U): Record<string, U> {
  return Object.fromEntries(Object.entries(record).map(([key, value]) => [key, f(value)]));
}
