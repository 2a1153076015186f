// Which state may be overwritten in place? The runtime does not know that an input and an output share memory, so
// every reader of the old value must be an ancestor of the node that writes the new one.
import type { Graph, Node, Value } from './graph.js';

/** Operators whose output may be their input's memory: who reads the output reads the input. */
const views = new Set(['Reshape', 'Identity', 'Squeeze', 'Unsqueeze']);

/** Operators that read each number just before they write the one in its place. */
const inPlace = new Set(['Add', 'Sub', 'Mul', 'Div']);

/**
 * @param pairs old value (an input) and new value (an output) of each state entry, by name
 * @returns names of the inputs that are safe to share with their output
 */
export function donatable(graph: Graph, pairs: ReadonlyMap<string, string>): Set<string> {
  const nodes = graph.live();
  const producer = new Map<Value, number>();
  const readers = new Map<Value, number[]>();
  nodes.forEach((node, at) => {
    for (const v of node.outputs) producer.set(v, at);
    for (const v of node.inputs) readers.set(v, [...(readers.get(v) ?? []), at]);
  });
  const ancestors = ancestorSets(nodes, producer);
  const outputs = new Map(graph.outputs.map((v) => [v.name, v]));
  const safe = new Set<string>();
  for (const input of graph.inputs) {
    const output = outputs.get(pairs.get(input.name) ?? '');
    const writer = output && producer.get(output);
    if (writer === undefined) continue;
    const reading = allReaders(input, nodes, readers);
    const before = (at: number): boolean =>
      at === writer ? inPlace.has(nodes[at]?.op ?? '') : ancestors.has(writer, at);
    if (reading.every(before)) safe.add(input.name);
  }
  return safe;
}

function allReaders(value: Value, nodes: readonly Node[], readers: ReadonlyMap<Value, number[]>): number[] {
  return (readers.get(value) ?? []).flatMap((at) => {
    const node = nodes[at];
    return node && views.has(node.op)
      ? [at, ...node.outputs.flatMap((v) => allReaders(v, nodes, readers))]
      : [at];
  });
}

/** Ancestors of every node as one row of bits each. */
function ancestorSets(
  nodes: readonly Node[],
  producer: ReadonlyMap<Value, number>,
): { has(node: number, ancestor: number): boolean } {
  const words = Math.ceil(nodes.length / 32);
  const bits = new Uint32Array(nodes.length * words);
  nodes.forEach((node, at) => {
    for (const input of node.inputs) {
      const from = producer.get(input);
      if (from === undefined) continue;
      for (let w = 0; w < words; w++) bits[at * words + w]! |= bits[from * words + w]!;
      bits[at * words + (from >>> 5)]! |= 1 << (from & 31);
    }
  });
  return {
    has: (node, ancestor) => ((bits[node * words + (ancestor >>> 5)]! >>> (ancestor & 31)) & 1) === 1,
  };
}
