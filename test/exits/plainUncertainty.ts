// What an uncertainty head says of each sample, in double precision.
import type { BackboneSpec } from '../../src/backbones/backbone.js';
import type { HostTensors } from '../../src/engine/tensors.js';
import type { Uncertainty } from '../../src/exits/uncertainty.js';
import { gelu, layer, normal, rowsOf, waves } from '../plain.js';

/** @param hidden the state at that exit, [B, N, D] */
export function plainUncertainties(
  { tokens, width }: Pick<BackboneSpec, 'tokens' | 'width'>,
  form: Uncertainty['form'],
  exit: number,
  weights: HostTensors,
  hidden: ArrayLike<number>,
  t: ArrayLike<number>,
): number[] {
  const rows = rowsOf(hidden, width);
  return Array.from(t, (time, i) =>
    plainUncertainty(form, exit, weights, rows.slice(i * tokens, (i + 1) * tokens), time),
  );
}

/** @param tokens a row for each */
function plainUncertainty(
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
