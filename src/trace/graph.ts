// What did a step compute? A graph in single-assignment form, close to ONNX, recorded by the tracing backend.
import type { FrozenWeight, QuantisedTensor } from '../engine/tensors.js';

export type DType = 'float32' | 'int32' | 'int64' | 'bool' | 'int8' | 'uint8';
export type ConstantData = Float32Array | Int32Array | BigInt64Array | Uint8Array;
export type Attribute = number | string | readonly number[] | { readonly float: number };

/** How ONNX numbers the types. */
export const elementType: Readonly<Record<DType, number>> = {
  ...{ float32: 1, uint8: 2, int8: 3 },
  ...{ int32: 6, int64: 7, bool: 9 },
};

/**
 * A tensor of the graph. Its shape is that of the trace: the dimension that is a multiple of the sentinel batch
 * size stands for the batch.
 */
export interface Value {
  readonly id: number;
  /** Renamed once if the value is an output. */
  name: string;
  readonly shape: readonly number[];
  readonly dtype: DType;
  readonly source:
    | { readonly kind: 'input' }
    | { readonly kind: 'node' }
    | { readonly kind: 'constant'; readonly data: ConstantData }
    | { readonly kind: 'weight'; readonly weight: FrozenWeight };
  /** What this is a reshape of; a reshape of a reshape collapses. */
  readonly reshapeOf?: Value;
  /** The smaller value this is a broadcast of; elementwise readers take that one instead. */
  readonly broadcastOf?: Value;
  /** What this is a transpose of, and how; the way back is that value. */
  readonly transposeOf?: { readonly value: Value; readonly perm: readonly number[] };
}

/** How a value came from another one. */
type Origin = Pick<Value, 'reshapeOf' | 'broadcastOf' | 'transposeOf'>;

export interface Node {
  readonly op: string;
  /** '' is the ONNX standard. */
  readonly domain: '' | 'com.microsoft';
  readonly inputs: readonly Value[];
  readonly outputs: readonly Value[];
  readonly attributes: Readonly<Record<string, Attribute>>;
  /** Multiply-adds of this node at the sentinel batch size. */
  readonly macs: number;
}

interface Output {
  readonly shape: readonly number[];
  readonly dtype: DType;
}

export interface NodeOptions {
  readonly attributes?: Readonly<Record<string, Attribute>>;
  readonly domain?: Node['domain'];
  readonly macs?: number;
}

/** A graph under construction. `sentinel` is the batch size of the trace, a prime that divides no other dimension. */
export class Graph {
  readonly nodes: Node[] = [];
  readonly inputs: Value[] = [];
  readonly outputs: Value[] = [];
  private count = 0;
  private readonly constants = new Map<string, Value>();

  constructor(readonly sentinel: number) {}

  private value(prefix: string, output: Output, source: Value['source'], extra: Origin = {}): Value {
    const id = this.count++;
    return { id, name: `${prefix}${id}`, shape: output.shape, dtype: output.dtype, source, ...extra };
  }

  input(name: string, shape: readonly number[], dtype: DType): Value {
    const value = this.value('', { shape, dtype }, { kind: 'input' });
    value.name = name;
    this.inputs.push(value);
    return value;
  }

  weight(name: string, weight: FrozenWeight): Value {
    const value = this.value('', { shape: weight.shape, dtype: 'float32' }, { kind: 'weight', weight });
    value.name = name;
    return value;
  }

  /** The 8-bit numbers of a weight, int8 [in, out]; the weight itself stands for what they mean. */
  numbersOf({ name }: Value, weight: QuantisedTensor): Value {
    return this.once(`numbers of ${name}`, () => {
      const shape = weight.shape.toReversed();
      const value = this.value('', { shape, dtype: 'int8' }, { kind: 'weight', weight });
      value.name = `${name}:int8`;
      return value;
    });
  }

  /** The value under a public name: the value itself where it is free to be renamed, else a copy. */
  output(name: string, value: Value): void {
    const free = value.source.kind === 'node' && !this.outputs.includes(value);
    const named = free ? value : this.node('Identity', [value], value.shape);
    named.name = name;
    this.outputs.push(named);
  }

  isBatch(dimension: number): boolean {
    return dimension > 0 && dimension % this.sentinel === 0;
  }

  /** A shape as ONNX constants take it: -1 where the batch is. */
  dynamic(shape: readonly number[]): number[] {
    if (shape.filter((d) => this.isBatch(d)).length > 1)
      throw new Error(`trace: the batch stands in two dimensions of [${shape.join(', ')}]`);
    return shape.map((d) => (this.isBatch(d) ? -1 : d));
  }

  constant(data: ConstantData, shape: readonly number[], dtype: DType): Value {
    const first = data[0];
    if (data.length === 1 && dtype !== 'int64' && this.isBatch(Number(first)))
      return this.batchMultiple(Number(first) / this.sentinel, shape, dtype);
    if (first !== undefined && shape.some((d) => this.isBatch(d))) {
      if (data.some((x) => x !== first))
        throw new Error(`trace: a constant of shape [${shape.join(', ')}] differs between samples`);
      return this.broadcast(this.constant(data.slice(0, 1), [], dtype), shape);
    }
    if (data.length > 16) return this.value('c', { shape, dtype }, { kind: 'constant', data });
    const numbers = Array.from<number | bigint>(data).map((x) => (Object.is(x, -0) ? '-0' : String(x)));
    const key = `${dtype}[${shape.join()}]${numbers.join()}`;
    const known = this.constants.get(key);
    if (known) return known;
    const made = this.value('c', { shape, dtype }, { kind: 'constant', data });
    this.constants.set(key, made);
    return made;
  }

  ints(numbers: readonly number[]): Value {
    return this.constant(BigInt64Array.from(numbers.map(BigInt)), [numbers.length], 'int64');
  }

  float(x: number): Value {
    return this.constant(Float32Array.of(x), [], 'float32');
  }

  /** The number of samples of a call, int64 [1]. */
  private batchSize(): Value {
    const carrier = this.inputs.find((v) => v.shape.some((d) => d === this.sentinel));
    if (!carrier) throw new Error('trace: no input carries the batch');
    const start = carrier.shape.indexOf(this.sentinel);
    return this.once('batch size', () =>
      this.node('Shape', [carrier], [1], { attributes: { start, end: start + 1 } }, 'int64'),
    );
  }

  private once(key: string, make: () => Value): Value {
    const known = this.constants.get(key);
    if (known) return known;
    const made = make();
    this.constants.set(key, made);
    return made;
  }

  /** k times the batch size, such as the divisor of a mean over the batch. */
  private batchMultiple(k: number, shape: readonly number[], dtype: DType): Value {
    return this.once(`${k} batches ${dtype}[${shape.join()}]`, () => {
      const count = this.cast(this.batchSize(), dtype);
      const factor = dtype === 'int32' ? Int32Array.of(k) : Float32Array.of(k);
      const scaled = k === 1 ? count : this.node('Mul', [count, this.constant(factor, [1], dtype)], [1]);
      return this.node('Reshape', [scaled, this.ints(shape)], shape);
    });
  }

  /** A value expanded to a shape that may carry the batch. */
  broadcast(value: Value, shape: readonly number[]): Value {
    const batchAt = this.dynamic(shape).indexOf(-1);
    let target = this.ints(shape);
    if (batchAt >= 0) {
      const times = (shape[batchAt] ?? 0) / this.sentinel;
      const batch =
        times === 1 ? this.batchSize() : this.node('Mul', [this.batchSize(), this.ints([times])], [1]);
      const parts = [shape.slice(0, batchAt), shape.slice(batchAt + 1)].map((part) =>
        part.length ? [this.ints(part)] : [],
      );
      const [before = [], after = []] = parts;
      const all = [...before, batch, ...after];
      target =
        all.length === 1 ? batch : this.node('Concat', all, [shape.length], { attributes: { axis: 0 } });
    }
    return this.emit(
      'Expand',
      [value, target],
      [{ shape, dtype: value.dtype }],
      {},
      { broadcastOf: value },
    )[0]!;
  }

  cast(value: Value, dtype: DType): Value {
    if (value.dtype === dtype) return value;
    return this.node('Cast', [value], value.shape, { attributes: { to: elementType[dtype] } }, dtype);
  }

  reshape(value: Value, shape: readonly number[]): Value {
    const source = value.reshapeOf ?? value;
    if (source.shape.length === shape.length && source.shape.every((d, i) => d === shape[i])) return source;
    const inputs = [source, this.ints(this.dynamic(shape))];
    return this.emit('Reshape', inputs, [{ shape, dtype: value.dtype }], {}, { reshapeOf: source })[0]!;
  }

  /** Back and forth is no work: the value itself. */
  transpose(value: Value, perm: readonly number[]): Value {
    if (perm.every((p, i) => p === i)) return value;
    const { transposeOf: before } = value;
    if (before && perm.every((p, i) => before.perm[p] === i)) return before.value;
    const shape = perm.map((p) => value.shape[p] ?? 1);
    const options = { attributes: { perm } };
    return this.emit('Transpose', [value], [{ shape, dtype: value.dtype }], options, {
      transposeOf: { value, perm },
    })[0]!;
  }

  emit(
    op: string,
    inputs: readonly Value[],
    outputs: readonly Output[],
    options: NodeOptions = {},
    extra: Origin = {},
  ): Value[] {
    const made = outputs.map((output) => this.value('n', output, { kind: 'node' }, extra));
    const { attributes = {}, domain = '', macs = 0 } = options;
    this.nodes.push({ op, domain, inputs, outputs: made, attributes, macs });
    return made;
  }

  /** A node with one output, of the first input's type unless said. */
  node(
    op: string,
    inputs: readonly Value[],
    shape: readonly number[],
    options: NodeOptions = {},
    dtype: DType = inputs[0]?.dtype ?? 'float32',
  ): Value {
    return this.emit(op, inputs, [{ shape, dtype }], options)[0]!;
  }

  /** The nodes the outputs depend on, in order. */
  live(): Node[] {
    const needed = new Set(this.outputs.map((v) => v.id));
    const kept: Node[] = [];
    for (const node of this.nodes.toReversed()) {
      if (!node.outputs.some((v) => needed.has(v.id))) continue;
      kept.push(node);
      for (const v of node.inputs) needed.add(v.id);
    }
    return kept.reverse();
  }

  /**
   * Multiply-adds of matrix products, per sample. A product belongs to the samples if any of its inputs or its
   * output carries the batch (the gradient of a weight has no batch dimension of its own). Elementwise work is not counted.
   */
  macsPerSample(): number {
    return this.live().reduce((sum, node) => sum + this.macsOf(node), 0);
  }

  /** Of one node. */
  macsOf(node: Node): number {
    const isOfSamples = [...node.inputs, ...node.outputs].some((v) => v.shape.some((d) => this.isBatch(d)));
    return isOfSamples ? node.macs / this.sentinel : 0;
  }
}
