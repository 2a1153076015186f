// How is attention computed where a runtime's single operator gets it wrong? As products and a softmax.
import type { Graph, Node, Value } from './graph.js';

/** Replaces every attention: same values under the same names, other roundings, and the probabilities in memory. */
export function plainAttention(graph: Graph): void {
  const nodes = graph.live();
  graph.nodes.length = 0;
  for (const node of nodes)
    graph.nodes.push(node.op === 'MultiHeadAttention' ? attention(graph, node) : node);
}

function attention(graph: Graph, node: Node): Node {
  const [q, k, v] = node.inputs;
  const [y] = node.outputs;
  const heads = node.attributes['num_heads'];
  if (!q || !k || !v || !y || typeof heads !== 'number')
    throw new Error('trace: an attention lacks an input, its output or the number of its heads');
  const [batch = 1, queries = 1, width = 1] = q.shape;
  const keys = k.shape[1] ?? 1;
  const size = width / heads;
  const split = (x: Value, count: number, perm: readonly [number, number, number, number]): Value => {
    const shape = [batch, count, heads, size];
    const parts = graph.reshape(x, shape);
    return graph.node(
      'Transpose',
      [parts],
      perm.map((axis) => shape[axis] ?? 1),
      { attributes: { perm } },
    );
  };
  const macs = node.macs / 2;
  const scores = graph.node(
    'MatMul',
    [split(q, queries, [0, 2, 1, 3]), split(k, keys, [0, 2, 3, 1])],
    [batch, heads, queries, keys],
    { macs },
  );
  const scaled = graph.node('Mul', [scores, graph.float(1 / Math.sqrt(size))], scores.shape);
  const probabilities = graph.node('Softmax', [scaled], scores.shape, { attributes: { axis: -1 } });
  const each = graph.node(
    'MatMul',
    [probabilities, split(v, keys, [0, 2, 1, 3])],
    [batch, heads, queries, size],
    {
      macs,
    },
  );
  const together = graph.node('Transpose', [each], [batch, queries, heads, size], {
    attributes: { perm: [0, 2, 1, 3] },
  });
  const inputs = [together, graph.ints(graph.dynamic(y.shape))];
  return { op: 'Reshape', domain: '', inputs, outputs: node.outputs, attributes: {}, macs: 0 };
}
