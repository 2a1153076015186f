// Which chains of operators does the runtime do in one? Found once the whole graph is known, and who reads what.
import type { Graph, Node, Value } from './graph.js';

/** How a graph is read backwards. */
interface Readers {
  /** The node that makes a value. */
  readonly maker: (value: Value | undefined) => Node | undefined;
  /** Whether the value is read once, by one node, and is no output. */
  readonly once: (value: Value | undefined) => boolean;
}

/** Records what replaces a node and makes its first output under the given operands; undefined where it does not fit. */
type Rule = (graph: Graph, node: Node, readers: Readers) => Replacement | undefined;
type Replacement = Pick<Node, 'op' | 'domain' | 'inputs' | 'attributes' | 'macs'>;

export interface FuseOptions {
  /** Whether a session may hold weights of its own, laid out for an operator; not where they are read from a file. */
  readonly repacks: boolean;
}

/**
 * Replaces chains by single operators: same values under the same names, other roundings. Values that a backward pass
 * also reads stay as they are, so this changes frozen parts and sampling.
 */
export function fuse(graph: Graph, { repacks }: FuseOptions): void {
  const everywhere = [biasAndGelu, addedBiasAndGelu, addedBiasAndAttention, sumOfSquares];
  const rules: readonly Rule[] = repacks ? [selfAttention, ...everywhere] : everywhere;
  const nodes = graph.live();
  const readers = readersOf(graph, nodes);
  graph.nodes.length = 0;
  for (const node of nodes) {
    const [found] = rules.flatMap((rule) => rule(graph, node, readers) ?? []);
    graph.nodes.push(found ? { ...found, outputs: node.outputs } : node);
  }
}

function readersOf(graph: Graph, nodes: readonly Node[]): Readers {
  const makers = new Map<Value, Node>();
  const reads = new Map<Value, number>();
  for (const node of nodes) {
    for (const value of node.outputs) makers.set(value, node);
    for (const value of node.inputs) reads.set(value, (reads.get(value) ?? 0) + 1);
  }
  for (const value of graph.outputs) reads.set(value, Infinity);
  return {
    maker: (value) => value && makers.get(value),
    once: (value) => value !== undefined && reads.get(value) === 1,
  };
}

const isFixed = ({ source }: Value): boolean => source.kind === 'weight' || source.kind === 'constant';

interface LinearLayer {
  /** [rows, in] */
  readonly rows: Value;
  /** [out, in] */
  readonly weight: Value;
  readonly bias: Value;
  readonly macs: number;
}

/** What this is a reshape of, if nobody else reads it. */
function beforeReshape(value: Value | undefined, { maker, once }: Readers): Value | undefined {
  const reshape = maker(value);
  return reshape?.op === 'Reshape' && once(value) ? reshape.inputs[0] : undefined;
}

/** The linear layer with fixed weights whose reshaped output this is, if nobody else reads it on the way. */
function linearLayer(value: Value | undefined, readers: Readers): LinearLayer | undefined {
  const { maker, once } = readers;
  const product = beforeReshape(value, readers);
  const gemm = maker(product);
  if (gemm?.op !== 'Gemm' || !once(product)) return undefined;
  const [rows, weight, bias] = gemm.inputs;
  if (!rows || !weight || !bias || !isFixed(weight) || !isFixed(bias)) return undefined;
  if (gemm.attributes['transA'] !== 0 || gemm.attributes['transB'] !== 1) return undefined;
  return { rows, weight, bias, macs: gemm.macs };
}

/** The layer of query, key and value goes into the attention, which writes each head where it is needed. */
const selfAttention: Rule = (graph, node, readers) => {
  if (node.op !== 'MultiHeadAttention') return undefined;
  const split = readers.maker(node.inputs[0]);
  if (split?.op !== 'Split' || split.outputs.length !== 3) return undefined;
  if (!split.outputs.every((part, i) => part === node.inputs[i] && readers.once(part))) return undefined;
  const layer = linearLayer(split.inputs[0], readers);
  const [y] = node.outputs;
  if (!layer || !y) return undefined;
  const [outputs = 0, inputs = 0] = layer.weight.shape;
  const x = graph.reshape(layer.rows, [...y.shape.slice(0, -1), inputs]);
  const weight = graph.node('Transpose', [layer.weight], [inputs, outputs], { attributes: { perm: [1, 0] } });
  return {
    ...{ op: 'Attention', domain: 'com.microsoft', inputs: [x, weight, layer.bias] },
    ...{ attributes: node.attributes, macs: node.macs + layer.macs },
  };
};

/** The bias of a layer is added where its GELU reads it, not in a pass of its own. */
const biasAndGelu: Rule = (graph, node, readers) => {
  if (node.op !== 'Gelu' || node.attributes['approximate'] !== 'tanh') return undefined;
  const [x] = node.inputs;
  const layer = linearLayer(x, readers);
  if (!x || !layer) return undefined;
  const { rows, weight, bias, macs } = layer;
  const attributes = { transA: 0, transB: 1 };
  const shape = [rows.shape[0] ?? 0, weight.shape[0] ?? 0];
  const product = graph.node('Gemm', [rows, weight], shape, { attributes, macs });
  const inputs = [graph.reshape(product, x.shape), bias];
  return { op: 'FastGelu', domain: 'com.microsoft', inputs, attributes: {}, macs: 0 };
};

interface BiasedRows {
  /** Before the bias. */
  readonly rows: Value;
  readonly bias: Value;
}

/** A bias that was added in a pass of its own, as products in 8 bits have it, where only the reshaped sum is read. */
function addedBias(value: Value | undefined, readers: Readers): BiasedRows | undefined {
  const { maker, once } = readers;
  const sum = beforeReshape(value, readers);
  const add = maker(sum);
  const [rows, bias] = add?.op === 'Add' && once(sum) ? add.inputs : [];
  if (!rows || !bias || !isFixed(bias) || bias.shape.length !== 1) return undefined;
  return bias.shape[0] === rows.shape.at(-1) ? { rows, bias } : undefined;
}

const addedBiasAndGelu: Rule = (graph, node, readers) => {
  if (node.op !== 'Gelu' || node.attributes['approximate'] !== 'tanh') return undefined;
  const [x] = node.inputs;
  const added = addedBias(x, readers);
  if (!x || !added) return undefined;
  const inputs = [graph.reshape(added.rows, x.shape), added.bias];
  return { op: 'FastGelu', domain: 'com.microsoft', inputs, attributes: {}, macs: 0 };
};

/** The attention adds the bias of query, key and value where it writes each head. */
const addedBiasAndAttention: Rule = (graph, node, readers) => {
  if (node.op !== 'MultiHeadAttention' || node.inputs.length !== 3) return undefined;
  const split = readers.maker(node.inputs[0]);
  if (split?.op !== 'Split' || split.outputs.length !== 3) return undefined;
  if (!split.outputs.every((part, i) => part === node.inputs[i] && readers.once(part))) return undefined;
  const [whole, ...lengths] = split.inputs;
  const added = addedBias(whole, readers);
  if (!whole || !added) return undefined;
  const parts = graph.emit('Split', [graph.reshape(added.rows, whole.shape), ...lengths], split.outputs, {
    attributes: split.attributes,
  });
  return { ...node, inputs: [...parts, added.bias] };
};

const sumOfSquares: Rule = (_graph, node, { maker, once }) => {
  if (node.op !== 'ReduceSum') return undefined;
  const [squared, axes] = node.inputs;
  const square = maker(squared);
  const [x, again] = square?.inputs ?? [];
  if (square?.op !== 'Mul' || !once(squared) || !x || x !== again || !axes) return undefined;
  return { ...node, op: 'ReduceSumSquare', inputs: [x, axes] };
};
