// Reference tensors of test/fixtures, by folder and name.
import { readFileSync } from 'node:fs';
import type { Tensors } from '../src/engine/engine.js';
import { tf } from '../src/engine/tf.js';
import type { HostTensors, HostTensor } from '../src/engine/tensors.js';

export function fixturePath(name: string): string {
  return new URL(`fixtures/${name}`, import.meta.url).pathname;
}

export function fixtureJson(name: string): unknown {
  return JSON.parse(readFileSync(fixturePath(name), 'utf8'));
}

interface Entry {
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly data_offsets: readonly [number, number];
}

/** All tensors of a .safetensors file; integers narrow to int32. */
export function fixtureTensors(name: string): HostTensors {
  return tensorsIn(fixturePath(name));
}

/** The same of any file. */
export function tensorsIn(path: string): HostTensors {
  const file = readFileSync(path);
  const length = Number(file.readBigUInt64LE(0));
  const header = JSON.parse(file.subarray(8, 8 + length).toString()) as Record<string, Entry>;
  const entries = Object.entries(header).filter(([key]) => key !== '__metadata__');
  return Object.fromEntries(
    entries.map(
      ([
        key,
        {
          dtype,
          shape,
          data_offsets: [from, to],
        },
      ]) => {
        const bytes = Uint8Array.from(file.subarray(8 + length + from, 8 + length + to)).buffer;
        return [key, { shape, data: numbers(dtype, bytes) }];
      },
    ),
  );
}

function numbers(dtype: string, bytes: ArrayBuffer): Float32Array | Int32Array {
  switch (dtype) {
    case 'F32':
      return new Float32Array(bytes);
    case 'F64':
      return Float32Array.from(new Float64Array(bytes));
    case 'I32':
      return new Int32Array(bytes);
    case 'I64':
      return Int32Array.from(new BigInt64Array(bytes), Number);
    default:
      throw new Error(`fixture of type ${dtype}`);
  }
}

/** The fixture tensor of that name; a test that asks for another one is wrong. */
export function pick(tensors: HostTensors, name: string): HostTensor {
  const tensor = tensors[name];
  if (!tensor) throw new Error(`no fixture tensor ${name}`);
  return tensor;
}

/** On the current backend; the caller disposes or tidies. */
export function upload({ shape, data }: HostTensor): tf.Tensor {
  return tf.tensor(data, [...shape], data instanceof Int32Array ? 'int32' : 'float32');
}

export function uploadAll(tensors: HostTensors): Tensors {
  return Object.fromEntries(Object.entries(tensors).map(([name, tensor]) => [name, upload(tensor)]));
}

/** The numbers of a fixture tensor that is made of floats. */
export function fixtureFloats(file: string, name: string): Float32Array {
  const { data } = pick(fixtureTensors(file), name);
  if (!(data instanceof Float32Array)) throw new Error(`${name} is made of floats`);
  return data;
}
