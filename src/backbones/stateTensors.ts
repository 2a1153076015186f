// How does what flows through the blocks travel from one step to the next? As flat, named tensors.
import { tf } from '../engine/tf.js';
import type { Tensors } from '../engine/engine.js';
import type { State } from './backbone.js';

/** All tensors of a state, named by their place in it: `hidden`, `skips.0`, `shared.caption`. */
export function tensorsOf(state: State): Record<string, tf.Tensor> {
  return Object.fromEntries(entries(state, ''));
}

/** The state that `tensorsOf` took apart; lists without entries are absent in it. */
export function stateOf(tensors: Tensors): State {
  const state: Record<string, unknown> = {};
  for (const [name, tensor] of Object.entries(tensors)) {
    const path = name.split('.');
    const last = path.pop() ?? name;
    let place: Record<string, unknown> = state;
    for (const key of path) place = (place[key] ??= {}) as Record<string, unknown>;
    place[last] = tensor;
  }
  return listed(state) as State;
}

/** Of tensors, lists and records of them, and what is absent. */
function entries(nested: unknown, place: string): [string, tf.Tensor][] {
  if (nested === undefined) return [];
  if (nested instanceof tf.Tensor) return [[place, nested as tf.Tensor]];
  return Object.entries(nested as object).flatMap(([key, inner]) =>
    entries(inner, place ? `${place}.${key}` : key),
  );
}

/** Records whose keys count from 0 are lists. */
function listed(nested: unknown): unknown {
  if (nested instanceof tf.Tensor) return nested;
  const inner = Object.entries(nested as Record<string, unknown>).map(
    ([key, value]) => [key, listed(value)] as const,
  );
  if (inner.some(([key]) => !/^\d+$/.test(key))) return Object.fromEntries(inner);
  return inner.toSorted(([a], [b]) => Number(a) - Number(b)).map(([, value]) => value);
}
