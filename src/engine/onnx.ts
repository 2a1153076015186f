// Engine `onnx`: a step is traced once and its graph run by onnxruntime. The default without a GPU.
import { availableParallelism } from 'node:os';
import * as ort from 'onnxruntime-node';
import { donatable } from '../trace/donation.js';
import { fuse } from '../trace/fuse.js';
import type { Value } from '../trace/graph.js';
import { plainAttention } from '../trace/plainAttention.js';
import { writeOnnx } from '../trace/onnx.js';
import { graphName, trace } from '../trace/trace.js';
import type { CompiledStep, CompileOptions, Engine, Feeds, Step } from './engine.js';
import { samplesOf, shapedFeeds } from './feeds.js';
import { runInPlace } from './inPlace.js';
import { executionProviders, requireListed, requireRight } from './ortProvider.js';
import { emptyTensor, hostTensor, ortTensor } from './ortTensors.js';
import type { Provider } from './providers.js';
import { StateMemory } from './stateMemory.js';
import { isStored, type HostTensor, type HostTensors } from './tensors.js';

/**
 * The runtime holds a repacked copy of the weights that a session reads, which saves 3 to 5 % of the time at batch 16 and
 * 20 % at batch 1. Copies above this are not worth it: then sessions read the weights where they are mapped.
 */
const mapWeightsAbove = 256 * 2 ** 20;

/**
 * With mapped weights, nothing larger is computed once and kept: weights in half precision are widened at every call
 * instead, or each session would hold all of them in single precision.
 */
const mostKeptBytes = 2 ** 20;

export interface OnnxOptions {
  /** Threads within an operator; 0 takes all cores. */
  readonly threads: number;
  readonly reason: string;
  /** The CPU unless given. */
  readonly provider?: Provider;
  /** Where the runtime writes what each operator took when a step is disposed: a prefix of paths. */
  readonly profile?: string;
}

export function onnxEngine(engine: OnnxOptions): Engine {
  const { reason, provider = 'cpu' } = engine;
  const elsewhere = provider === 'cpu' ? {} : { device: `onnxruntime's provider ${provider}` };
  return {
    kind: 'onnx',
    reason,
    ...elsewhere,
    sharesWeights: false,
    compile: (step, options) => compile(step, options, engine),
  };
}

/** The engine, once its provider has computed something. @throws UserError if it cannot */
export async function openOnnx(options: OnnxOptions): Promise<Engine> {
  const { provider = 'cpu' } = options;
  const engine = onnxEngine(options);
  if (provider === 'cpu') return engine;
  requireListed(provider, ort.listSupportedBackends());
  await requireRight(provider, engine);
  return engine;
}

async function compile(
  step: Step,
  options: CompileOptions,
  { threads, provider = 'cpu', profile }: OnnxOptions,
): Promise<CompiledStep> {
  const { graph, unchanged } = trace(step, options);
  const frozenBytes = Object.values(options.frozen).reduce((sum, w) => sum + (isStored(w) ? w.bytes : 0), 0);
  const mapped = frozenBytes > mapWeightsAbove;
  // On WebGPU the single operator of onnxruntime 1.30 is wrong from 32 tokens on.
  if (provider === 'webgpu') plainAttention(graph);
  fuse(graph, { repacks: !mapped });
  const { model, folder } = writeOnnx(graph, { numbers: 'given', endMark: true });
  const session = await ort.InferenceSession.create(model, {
    ...(provider === 'cpu' ? {} : { executionProviders: executionProviders(provider, graph) }),
    intraOpNumThreads: threads || availableParallelism(),
    // 'all' would add layouts for convolutions, and keep what mostKeptBytes forbids.
    graphOptimizationLevel: mapped ? 'extended' : 'all',
    logSeverityLevel: 3,
    enableCpuMemArena: !mapped,
    // One block for all that a call allocates: no page is looked for twice, but the first call's memory stays beside it.
    // At batch 1 that saves 2 % of a forward pass; a training step only grows by it, by up to two thirds.
    enableMemPattern: Object.keys(options.state).length === 0,
    ...(profile === undefined ? {} : { enableProfiling: true, profileFilePrefix: profile }),
    extra: {
      ...(mapped
        ? { optimization: { constant_folding_max_output_size_in_bytes: String(mostKeptBytes) } }
        : {}),
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
  const state = new StateMemory(
    options.state,
    changing,
    new Set(changing.filter((name) => inPlace.has(graphName.state(name)))),
  );
  const results = graph.outputs.filter(({ name }) => name.startsWith(graphName.out('')));
  return stepOn({
    ...{ session, batch: options.batch, state, isProfiled: profile !== undefined },
    results: results.map((value) => ({
      ...{ name: value.name, dtype: value.dtype },
      shape: shapeOf(value, graph.sentinel),
    })),
    macs: graph.macsPerSample(),
  });
}

interface Result extends Pick<Value, 'name' | 'dtype'> {
  readonly shape: (samples: number) => number[];
}

interface Compiled {
  readonly session: ort.InferenceSession;
  readonly results: readonly Result[];
  readonly macs: number;
  readonly batch: CompileOptions['batch'];
  readonly state: StateMemory;
  readonly isProfiled: boolean;
}

/** Holds neither the graph nor the initial state, so that their numbers are free to go. */
function stepOn({ session, results, macs, batch, state, isProfiled }: Compiled): CompiledStep {
  const read = new Set(session.inputNames);
  let live = true;

  const run = async (feeds: Feeds): Promise<Record<string, HostTensor>> => {
    if (!live) throw new Error('step: called after dispose');
    const inputs: Record<string, ort.Tensor> = {};
    const shaped = shapedFeeds(batch, feeds);
    for (const [name, tensor] of Object.entries(shaped))
      if (read.has(graphName.batch(name))) inputs[graphName.batch(name)] = ortTensor(tensor);
    for (const [name, tensor] of state.values())
      if (read.has(graphName.state(name))) inputs[graphName.state(name)] = tensor;
    const samples = samplesOf(batch, shaped);
    const out = new Map(
      results.map(({ name, dtype, shape }) => [name, emptyTensor({ dtype }, shape(samples))]),
    );
    const targets = new Map(out);
    for (const [name, target] of state.targets()) targets.set(graphName.next(name), target);
    await runInPlace(session, inputs, targets);
    state.advance();
    return Object.fromEntries(
      [...out].map(([name, tensor]) => [name.slice(graphName.out('').length), hostTensor(tensor)]),
    );
  };
  return Object.assign(run, {
    macs,
    read: (): Promise<HostTensors> => Promise.resolve(state.read()),
    dispose: async (): Promise<void> => {
      live = false;
      state.free();
      if (isProfiled) session.endProfiling();
      await session.release();
    },
  });
}

/** From the number of samples of a call to the shape of a value. */
function shapeOf({ shape }: Value, sentinel: number): Result['shape'] {
  return (samples) => shape.map((d) => (d > 0 && d % sentinel === 0 ? (d / sentinel) * samples : d));
}
