// How does a network run that someone else put into an ONNX file? Nothing in the file is trusted.
import { createHash } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import { fromBinary } from '@bufbuild/protobuf';
import * as ort from 'onnxruntime-node';
import { messageOf, UserError } from '../errors.js';
import { ModelProtoSchema, TensorProto_DataLocation as DataLocation } from '../trace/gen/onnx_pb.js';
import type { HostTensor } from './tensors.js';

/** An input or output of the network. */
export interface Port {
  readonly name: string;
  /** `float32`; `none` if it is no tensor. */
  readonly type: string;
  /** A text stands for a size that may change. */
  readonly shape: readonly (number | string)[];
}

export interface OnnxFile {
  /** SHA-256 of its bytes, in hex. */
  readonly sha256: string;
  readonly inputs: readonly Port[];
  readonly outputs: readonly Port[];
  /**
   * The named outputs for one input, on the CPU.
   * @throws UserError if the network fails at it, or an output is not made of single-precision numbers
   */
  run(
    input: string,
    x: HostTensor & { readonly data: Float32Array },
    outputs: readonly string[],
  ): Promise<Readonly<Record<string, HostTensor>>>;
  dispose(): Promise<void>;
}

/** What a buffer can hold, and protobuf. */
const mostBytes = 2 ** 31 - 1;

/**
 * Reads a network that lies in one file whole: weights in files beside it would not be part of its hash.
 * @throws UserError if there is no such file, or onnxruntime cannot run it
 */
export async function openOnnxFile(path: string): Promise<OnnxFile> {
  const bytes = await bytesOf(path);
  requireWhole(path, bytes);
  let session: ort.InferenceSession;
  try {
    session = await ort.InferenceSession.create(bytes, { logSeverityLevel: 4 });
  } catch (error) {
    throw broken(path, error);
  }
  return {
    sha256: createHash('sha256').update(bytes).digest('hex'),
    inputs: session.inputMetadata.map(portOf),
    outputs: session.outputMetadata.map(portOf),
    async run(input, { shape, data }, outputs) {
      const results = await session
        .run({ [input]: new ort.Tensor('float32', data, shape) }, outputs)
        .catch((error: unknown) => {
          throw new UserError(
            `${path}: fails at an input of [${shape.join(', ')}] (${firstLine(error)}). Does it take such images?`,
          );
        });
      return Object.fromEntries(outputs.map((name) => [name, floatsOf(path, name, results[name])] as const));
    },
    dispose: () => session.release(),
  };
}

async function bytesOf(path: string): Promise<Uint8Array> {
  try {
    const entry = await stat(path);
    // A pipe would wait for ever.
    if (!entry.isFile()) throw new Error('it is not a file');
    if (entry.size > mostBytes) throw new Error(`it has ${entry.size} bytes, at most ${mostBytes} are read`);
    return await readFile(path);
  } catch (error) {
    throw new UserError(`${path}: cannot be read (${messageOf(error)}). Give the path of an ONNX file.`);
  }
}

function requireWhole(path: string, bytes: Uint8Array): void {
  let outside: string | undefined;
  try {
    const { graph } = fromBinary(ModelProtoSchema, bytes, { readUnknownFields: false });
    if (!graph) throw new Error('it holds no graph');
    outside = graph.initializer.find(({ dataLocation }) => dataLocation === DataLocation.EXTERNAL)?.name;
  } catch (error) {
    throw broken(path, error);
  }
  if (outside !== undefined)
    throw new UserError(
      `${path}: its weight ${JSON.stringify(outside)} lies in another file, expected all in one. Save it anew without ` +
        'external data (onnx.save, save_as_external_data=False).',
    );
}

function broken(path: string, error: unknown): UserError {
  return new UserError(
    `${path}: is no network that onnxruntime runs (${firstLine(error)}). Export or fetch it again.`,
  );
}

function firstLine(error: unknown): string {
  return messageOf(error).trim().split('\n')[0]?.slice(0, 300) ?? '';
}

function portOf(value: ort.InferenceSession.ValueMetadata): Port {
  const { name } = value;
  return value.isTensor ? { name, type: value.type, shape: value.shape } : { name, type: 'none', shape: [] };
}

function floatsOf(path: string, name: string, value: ort.OnnxValue | undefined): HostTensor {
  const data = value?.data;
  if (!value || !(data instanceof Float32Array))
    throw new UserError(
      `${path}: its output ${name} holds ${value?.type}, expected float32. Cast it in the network.`,
    );
  return { shape: value.dims, data };
}
