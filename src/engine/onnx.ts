// Engine `onnx`: a step is traced once and its graph run by onnxruntime. The default without a GPU.
import { availableParallelism } from 'node:os';
import * as ort from 'onnxruntime-node';
import { donatable } from '../trace/donation.js';
import { writeOnnx } from '../trace/onnx.js';
import { graphName, trace } from '../trace/trace.js';
import type { CompiledStep, CompileOptions, Engine, Feeds, Step } from './engine.js';
import { shapedFeeds } from './feeds.js';
import { isStored, sizeOf, type HostTensor, type HostTensors } from './tensors.js';

/** Above this the runtime would hold a repacked copy of the weights per session; below, the copy is faster. */
const mapWeightsAbove = 256 * 2 ** 20;

export interface OnnxOptions {
  /** Threads within an operator; 0 takes all cores. */
  readonly threads: number;
  readonly reason: string;
}

export function onnxEngine({ threads, reason }: OnnxOptions): Engine {
  return { kind: 'onnx', reason, compile: (step, options) => compile(step, options, threads) };
}

async function compile(step: Step, options: CompileOptions, threads: number): Promise<CompiledStep> {
  const { graph, unchanged } = trace(step, options);
  const { model, folder } = writeOnnx(graph);
  const frozenBytes = Object.values(options.frozen).reduce((sum, w) => sum + (isStored(w) ? w.bytes : 0), 0);
  const mapped = frozenBytes > mapWeightsAbove;
  const session = await ort.InferenceSession.create(model, {
    intraOpNumThreads: threads || availableParallelism(),
    graphOptimizationLevel: 'all',
    logSeverityLevel: 3,
    enableCpuMemArena: !mapped,
    extra: {
      session: {
        // Spinning threads of one session starve those of the next.
        'intra_op.allow_spinning': '0',
        ...(mapped ? { disable_prepacking: '1' } : {}),
        ...(folder === undefined ? {} : { model_external_initializers_file_folder_path: folder }),
      },
    },
  });

  const changing = Object.keys(options.state).filter((name) => !unchanged.has(name));
  const pairs = new Map(changing.map((name) => [graphName.state(name), graphName.next(name)]));
  const inPlace = donatable(graph, pairs);
  let current = new Map(Object.entries(options.state).map(([name, tensor]) => [name, stateTensor(tensor)]));
  let spare = new Map(
    changing
      .filter((name) => !inPlace.has(graphName.state(name)))
      .map((name) => [name, emptyLike(options.state[name])]),
  );
  const results = graph.outputs.map((v) => v.name).filter((name) => name.startsWith(graphName.out('')));
  const read = new Set(session.inputNames);
  let live = true;

  const run = async (feeds: Feeds): Promise<Record<string, HostTensor>> => {
    if (!live) throw new Error('step: called after dispose');
    const inputs: Record<string, ort.Tensor> = {};
    for (const [name, { shape, data }] of Object.entries(shapedFeeds(options.batch, feeds)))
      if (read.has(graphName.batch(name))) inputs[graphName.batch(name)] = ortTensor(data, shape);
    for (const [name, tensor] of current)
      if (read.has(graphName.state(name))) inputs[graphName.state(name)] = tensor;
    const fetches: Record<string, ort.Tensor | null> = Object.fromEntries(
      results.map((name) => [name, null]),
    );
    const next = new Map(current);
    for (const name of changing) {
      const target = spare.get(name) ?? current.get(name);
      if (target) next.set(name, target);
      fetches[graphName.next(name)] = target ?? null;
    }
    const outputs = await session.run(inputs, fetches);
    spare = new Map([...spare.keys()].flatMap((name) => pair(name, current.get(name))));
    current = next;
    return Object.fromEntries(
      results.map((name) => [name.slice(graphName.out('').length), hostTensor(outputs[name])]),
    );
  };
  return Object.assign(run, {
    macs: graph.macsPerSample(),
    read: (): Promise<HostTensors> =>
      Promise.resolve(
        Object.fromEntries([...current].map(([name, tensor]) => [name, copyOf(hostTensor(tensor))])),
      ),
    dispose: async (): Promise<void> => {
      live = false;
      current.clear();
      spare.clear();
      await session.release();
    },
  });
}

function pair<T>(name: string, value: T | undefined): [string, T][] {
  return value === undefined ? [] : [[name, value]];
}

function ortTensor(data: Float32Array | Int32Array, shape: readonly number[]): ort.Tensor {
  return data instanceof Int32Array
    ? new ort.Tensor('int32', data, shape)
    : new ort.Tensor('float32', data, shape);
}

/** State is overwritten, so the engine keeps a copy of its own. */
function stateTensor({ data, shape }: HostTensor): ort.Tensor {
  return ortTensor(Float32Array.from(data), shape);
}

function emptyLike(tensor: HostTensor | undefined): ort.Tensor {
  const shape = tensor?.shape ?? [];
  return ortTensor(new Float32Array(sizeOf(shape)), shape);
}

function hostTensor(tensor: ort.Tensor | undefined): HostTensor {
  const data = tensor?.data;
  if (!tensor || !(data instanceof Float32Array || data instanceof Int32Array))
    throw new Error(`step: onnxruntime returned ${tensor ? tensor.type : 'nothing'}, expected numbers`);
  return { shape: tensor.dims, data };
}

function copyOf({ shape, data }: HostTensor): HostTensor {
  return { shape, data: data.slice() };
}
