// How are inputs, weights and results called in a graph that others run? As the step calls them.
import type { Graph, Value } from './graph.js';

/**
 * Names inputs `x`, weights `blocks.0.attn.qkv.weight` and results `prediction`, without the prefixes that keep the names
 * of a step's groups apart (`graphName`).
 * @throws Error if two of them would have the same name
 */
export function plainNames(graph: Graph): void {
  const weights = graph
    .live()
    .flatMap(({ inputs }) => inputs)
    .filter(({ source }) => source.kind === 'weight');
  const named = new Set<Value>([...graph.inputs, ...weights, ...graph.outputs]);
  for (const value of named) value.name = value.name.slice(value.name.indexOf('/') + 1);
  if (new Set([...named].map(({ name }) => name)).size < named.size)
    throw new Error('trace: inputs, weights and results share a name');
}
