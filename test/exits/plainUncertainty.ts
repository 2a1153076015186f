// What an uncertainty head says of one sample, in double precision.
import type { HostTensors } from '../../src/engine/tensors.js';
import type { Uncertainty } from '../../src/exits/uncertainty.js';
import { gelu, layer, normal, waves } from '../plain.js';

/** @param tokens the state at that exit, a row for each token */
export function plainUncertainty(
  form: Uncertainty['form'],
  exit: number,
  weights: HostTensors,
  tokens: readonly (readonly number[])[],
  t: number,
): number {
  const named = (name: string, x: readonly number[]): number[] =>
    layer(weights, `uncertainty.${exit}.${name}`, x);
  const mean = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0) / values.length;
  const time = named('time', waves(t, 64));
  if (form === 'deediff')
    return mean(tokens.map((h) => 1 / (1 + Math.exp(-(named('token', h)[0] ?? NaN) - (time[0] ?? NaN)))));
  const rows = tokens.map(normal);
  const columns = normal(tokens[0] ?? []).map((_, d) => rows.map((row) => row[d] ?? NaN));
  const pooled = [...columns.map(mean), ...columns.map((column) => mean(column.map((x) => x * x)))];
  const narrow = named('down', pooled).map((x, i) => gelu(x + (time[i] ?? NaN)));
  return Math.exp(named('up', narrow)[0] ?? NaN);
}
