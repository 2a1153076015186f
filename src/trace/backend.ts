// A TensorFlow.js backend that computes nothing: its kernels append nodes to a graph.
import { tf } from '../engine/tf.js';
import type { ConstantData, DType, Graph, Value } from './graph.js';
import { kernels } from './kernels/table.js';

export const traceBackendName = 'trace';

class TraceBackend extends tf.KernelBackend {
  private graph: Graph | undefined;
  private values = new Map<object, Value>();

  begin(graph: Graph): void {
    this.graph = graph;
    this.values.clear();
  }
  end(): void {
    this.graph = undefined;
    this.values.clear();
  }

  private recording(): Graph {
    if (!this.graph) throw new Error('trace: nothing is being recorded');
    return this.graph;
  }

  private put(value: Value): object {
    const id = {};
    this.values.set(id, value);
    return id;
  }

  info(value: Value): tf.TensorInfo {
    const { dtype: kind } = value;
    const dtype = kind === 'float32' || kind === 'bool' ? kind : 'int32';
    return { dataId: this.put(value), shape: [...value.shape], dtype };
  }

  tensor(value: Value): tf.Tensor {
    return tf.engine().makeTensorFromTensorInfo(this.info(value), this);
  }

  /** The value of a tensor; one that lives on another backend becomes a constant and stays there. */
  value(tensor: tf.TensorInfo): Value {
    const known = this.values.get(tensor.dataId);
    if (known) return known;
    const made = this.constant(tf.engine().readSync(tensor.dataId), tensor.shape, tensor.dtype);
    this.values.set(tensor.dataId, made);
    return made;
  }

  private constant(data: tf.BackendValues | null, shape: readonly number[], dtype: tf.DataType): Value {
    const kind = recordable(dtype);
    return this.recording().constant(constantData(data, kind), shape, kind);
  }

  record(kernelName: string, inputs: tf.NamedTensorInfoMap, attributes: tf.NamedAttrMap): tf.TensorInfo[] {
    const kernel = kernels[kernelName];
    if (!kernel) throw new Error(`trace: kernel ${kernelName} is not in the table`);
    const values: Record<string, Value> = {};
    for (const [name, x] of Object.entries(inputs)) if (isPresent(x)) values[name] = this.value(x);
    const made = kernel(this.recording(), values, attributes);
    return (Array.isArray(made) ? made : [made]).map((value) => this.info(value));
  }

  override write(data: tf.BackendValues, shape: number[], dtype: tf.DataType): object {
    return this.put(this.constant(data, shape, dtype));
  }
  override readSync(): tf.BackendValues {
    throw new Error("trace: a step may not depend on a tensor's value");
  }
  override read(): Promise<tf.BackendValues> {
    return Promise.reject(new Error("trace: a step may not depend on a tensor's value"));
  }
  override disposeData(id: object): boolean {
    this.values.delete(id);
    return true;
  }
  override numDataIds(): number {
    return this.values.size;
  }
  override memory(): { unreliable: boolean } {
    return { unreliable: true };
  }
  override floatPrecision(): 16 | 32 {
    return 32;
  }
  override epsilon(): number {
    return 1e-7;
  }
  override refCount(): number {
    return 1;
  }
  override incRef(): void {
    // Values are never shared between tensors here.
  }
}

/** Optional inputs of a kernel (a bias) may be absent though the types say otherwise. */
function isPresent(x: tf.TensorInfo | null | undefined): x is tf.TensorInfo {
  return x !== null && x !== undefined;
}

function recordable(dtype: tf.DataType): DType {
  if (dtype === 'float32' || dtype === 'int32' || dtype === 'bool') return dtype;
  throw new Error(`trace: type ${dtype} is not recorded`);
}

function constantData(data: tf.BackendValues | null, dtype: DType): ConstantData {
  if (data instanceof Float32Array || data instanceof Int32Array || data instanceof Uint8Array) {
    if (dtype === 'float32') return Float32Array.from(data);
    return dtype === 'int32' ? Int32Array.from(data) : Uint8Array.from(data);
  }
  throw new Error('trace: only numbers are recorded');
}

let shared: TraceBackend | undefined;

/** The backend, registered with all its kernels on first use. */
export function traceBackend(): TraceBackend {
  if (shared) return shared;
  const backend = new TraceBackend();
  tf.registerBackend(traceBackendName, () => backend, 0);
  for (const kernelName of Object.keys(kernels))
    tf.registerKernel({
      kernelName,
      backendName: traceBackendName,
      kernelFunc: ({ inputs, attrs }) => {
        const made = backend.record(kernelName, inputs, attrs ?? {});
        const [only] = made;
        return made.length === 1 && only && !listKernels.has(kernelName) ? only : made;
      },
    });
  shared = backend;
  return backend;
}

/** Kernels whose result is a list even when it holds one tensor. */
const listKernels = new Set(['SplitV', 'Unpack']);
