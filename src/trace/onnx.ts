// From a graph to the bytes of an ONNX model; weights stay in their files.
import { dirname, basename } from 'node:path';
import { create, toBinary, type MessageInitShape } from '@bufbuild/protobuf';
import {
  isQuantised,
  isStored,
  type StoredFloat,
  type HostTensor,
  type QuantisedTensor,
  type StoredTensor,
} from '../engine/tensors.js';
import {
  AttributeProto_AttributeType as AttributeType,
  ModelProtoSchema,
  TensorProto_DataLocation as DataLocation,
  type AttributeProtoSchema,
  type NodeProtoSchema,
  type TensorProtoSchema,
  type ValueInfoProtoSchema,
} from './gen/onnx_pb.js';
import { elementType, type Attribute, type Graph, type Node, type Value } from './graph.js';

/** Of the standard operators. */
export const opset = 20;
const irVersion = 10n;
const storedType: Record<StoredFloat, number> = { F32: 1, F16: 10, BF16: 16 };

export interface OnnxModel {
  readonly model: Uint8Array;
  /** The one folder all external weights lie in; absent if there are none. */
  readonly folder?: string;
}

export interface WriteOptions {
  /** Those of weights in memory; without them a graph can be compared, not run. */
  readonly numbers: 'given' | 'left out';
  /** Whether the end mark is the first output; engine/inPlace.ts says what for. */
  readonly endMark?: boolean;
}

type Attributes = MessageInitShape<typeof AttributeProtoSchema>;
type Initializer = MessageInitShape<typeof TensorProtoSchema>;
type NodeMessage = MessageInitShape<typeof NodeProtoSchema>;
type ValueInfo = MessageInitShape<typeof ValueInfoProtoSchema>;

function attributeMessage(name: string, value: Attribute): Attributes {
  if (typeof value === 'number') return { name, type: AttributeType.INT, i: BigInt(value) };
  if (typeof value === 'string')
    return { name, type: AttributeType.STRING, s: new TextEncoder().encode(value) };
  if ('float' in value) return { name, type: AttributeType.FLOAT, f: value.float };
  return { name, type: AttributeType.INTS, ints: value.map(BigInt) };
}

function valueInfo(graph: Graph, value: Value): ValueInfo {
  const dim = value.shape.map((d) => ({
    value: graph.isBatch(d)
      ? {
          case: 'dimParam' as const,
          value: d === graph.sentinel ? 'batch' : `batch_x${d / graph.sentinel}`,
        }
      : { case: 'dimValue' as const, value: BigInt(d) },
  }));
  const tensor = { elemType: elementType[value.dtype], shape: { dim } };
  return { name: value.name, type: { value: { case: 'tensorType', value: tensor } } };
}

function rawBytes(data: ArrayBufferView): Uint8Array {
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}

function external(name: string, weight: StoredTensor): Initializer {
  const { path, offset, bytes, shape, dtype } = weight;
  const entries = { location: basename(path), offset, length: bytes };
  return {
    name,
    dims: shape.map(BigInt),
    dataType: storedType[dtype],
    dataLocation: DataLocation.EXTERNAL,
    externalData: Object.entries(entries).map(([key, value]) => ({ key, value: String(value) })),
  };
}

/** The runtime takes external weights from files or from memory, not from both, so these stand in the model itself. */
function quantised(
  { name, shape, dtype }: Value,
  { numbers }: QuantisedTensor,
  options: WriteOptions,
): Initializer {
  if (dtype !== 'int8')
    throw new Error(`trace: ${name} is in 8 bits, so it can be nothing but the weight of a product`);
  const data = options.numbers === 'left out' ? numbers.subarray(0, 0) : numbers;
  return { name, dims: shape.map(BigInt), dataType: elementType.int8, rawData: rawBytes(data) };
}

function floatBytes({ data }: HostTensor, { numbers }: WriteOptions): Uint8Array {
  if (numbers === 'left out') return new Uint8Array();
  return rawBytes(data instanceof Float32Array ? data : Float32Array.from(data));
}

/** A constant or weight as an initializer, and the node that widens it if it is stored in half precision. */
function initializer(
  value: Value,
  options: WriteOptions,
): { tensor: Initializer; widen?: NodeMessage } | undefined {
  const { source, name, shape } = value;
  const dims = shape.map(BigInt);
  switch (source.kind) {
    case 'input':
    case 'node':
      return undefined;
    case 'constant':
      return { tensor: { name, dims, dataType: elementType[value.dtype], rawData: rawBytes(source.data) } };
    case 'weight': {
      const { weight } = source;
      if (isQuantised(weight)) return { tensor: quantised(value, weight, options) };
      if (!isStored(weight)) {
        return {
          tensor: { name, dims, dataType: elementType.float32, rawData: floatBytes(weight, options) },
        };
      }
      if (weight.dtype === 'F32') return { tensor: external(name, weight) };
      const narrow = `${name}:${weight.dtype}`;
      const attribute = [attributeMessage('to', elementType.float32)];
      return {
        tensor: external(narrow, weight),
        widen: { name: `widen ${name}`, opType: 'Cast', input: [narrow], output: [name], attribute },
      };
    }
  }
}

function externalFolder(values: Iterable<Value>): string | undefined {
  const folders = new Set<string>();
  for (const { source } of values)
    if (source.kind === 'weight' && isStored(source.weight)) folders.add(dirname(source.weight.path));
  if (folders.size > 1) throw new Error(`frozen weights lie in several folders: ${[...folders].join(', ')}`);
  return [...folders][0];
}

/** @param at its place among the live nodes of its graph */
export function nodeName(node: Node, at: number): string {
  return `${node.op}_${at}`;
}

function nodeMessage(node: Node, at: number): NodeMessage {
  return {
    name: nodeName(node, at),
    opType: node.op,
    domain: node.domain,
    input: node.inputs.map((v) => v.name),
    output: node.outputs.map((v) => v.name),
    attribute: Object.entries(node.attributes).map(([name, value]) => attributeMessage(name, value)),
  };
}

/** Name of the output that `writeOnnx` puts before all others if asked to: an empty sequence. */
export const endMark = 'end';

const endMarkNode: NodeMessage = { name: endMark, opType: 'SequenceEmpty', output: [endMark] };
const endMarkInfo: ValueInfo = {
  name: endMark,
  type: {
    value: {
      case: 'sequenceType',
      value: {
        elemType: { value: { case: 'tensorType', value: { elemType: elementType.float32 } } },
      },
    },
  },
};

/** The graph as an ONNX model (opset 20); only what the outputs need is written. */
export function writeOnnx(graph: Graph, options: WriteOptions = { numbers: 'given' }): OnnxModel {
  const nodes = graph.live();
  const read = new Set([...nodes.flatMap((node) => [...node.inputs]), ...graph.outputs]);
  const given = [...read].flatMap((value) => initializer(value, options) ?? []);
  const model = create(ModelProtoSchema, {
    irVersion,
    producerName: 'exithead',
    opsetImport: [
      { domain: '', version: BigInt(opset) },
      // A runtime without these operators need not refuse what does not use them.
      ...(nodes.some(({ domain }) => domain === 'com.microsoft')
        ? [{ domain: 'com.microsoft', version: 1n }]
        : []),
    ],
    graph: {
      name: 'step',
      initializer: given.map(({ tensor }) => tensor),
      input: graph.inputs.filter((value) => read.has(value)).map((value) => valueInfo(graph, value)),
      output: [
        ...(options.endMark === true ? [endMarkInfo] : []),
        ...graph.outputs.map((value) => valueInfo(graph, value)),
      ],
      node: [
        ...(options.endMark === true ? [endMarkNode] : []),
        ...given.flatMap(({ widen }) => widen ?? []),
        ...nodes.map(nodeMessage),
      ],
    },
  });
  const folder = externalFolder(read);
  return { model: toBinary(ModelProtoSchema, model), ...(folder === undefined ? {} : { folder }) };
}
