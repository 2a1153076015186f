// From a step to its graph: run it once on the tracing backend, with no weight in memory.
import type { CompileOptions, InputSpec, Step, Tensors } from '../engine/engine.js';
import { tf } from '../engine/tf.js';
import { traceBackend, traceBackendName } from './backend.js';
import { Graph, type Value } from './graph.js';
import { writeOnnx } from './onnx.js';

/** Names in the graph: what a caller calls `x` is 'batch/x', 'state/x', 'next/x' or 'out/x'. */
export const graphName = {
  batch: (name: string): string => `batch/${name}`,
  state: (name: string): string => `state/${name}`,
  next: (name: string): string => `next/${name}`,
  out: (name: string): string => `out/${name}`,
  frozen: (name: string): string => `frozen/${name}`,
};

export interface Trace {
  readonly graph: Graph;
  /** State entries the step returns untouched: they are no outputs of the graph. */
  readonly unchanged: ReadonlySet<string>;
}

/** What a trace needs to know of the state: shapes, no numbers. */
export type TraceOptions = Pick<CompileOptions, 'batch' | 'frozen'> & {
  readonly state: Readonly<Record<string, { readonly shape: readonly number[] }>>;
};

/**
 * Records a step with two batch sizes and requires the same graph, so anything that hides the batch size in a
 * number (`x * (1 / batch)`, half of the samples, a random constant) is found before it computes nonsense.
 * @throws Error if the two graphs differ, or if the step reads a tensor's value
 */
export function trace(step: Step, options: TraceOptions): Trace {
  const [first, second] = sentinels(options);
  const recorded = traceOnce(step, options, first);
  const again = traceOnce(step, options, second);
  const [a, b] = [recorded, again].map(({ graph }) => writeOnnx(graph, { numbers: 'left out' }).model);
  if (!a || !b || Buffer.compare(a, b) !== 0)
    throw new Error(
      `trace: the step depends on the batch size (${first} and ${second} samples give different graphs) or on chance`,
    );
  return recorded;
}

/** Two small primes that divide none of the fixed dimensions. */
function sentinels(options: TraceOptions): [number, number] {
  const shapes = [options.state, options.batch, options.frozen].flatMap((group) =>
    Object.values(group).map((x: { readonly shape: readonly (number | 'batch')[] }) => x.shape),
  );
  const fixed = new Set(shapes.flat().filter((d) => d !== 'batch'));
  const [first, second] = [61, 53, 59, 47, 67, 71, 73, 79, 83].filter(
    (p) => ![...fixed].some((d) => d % p === 0),
  );
  if (!first || !second)
    throw new Error('trace: no batch size can be told from the dimensions of this model');
  return [first, second];
}

function traceOnce(step: Step, options: TraceOptions, sentinel: number): Trace {
  const backend = traceBackend();
  const graph = new Graph(sentinel);
  const unchanged = new Set<string>();
  // Undefined while no backend was used yet, though the types promise a name.
  const before: string | undefined = tf.getBackend();
  backend.begin(graph);
  void tf.setBackend(traceBackendName);
  try {
    tf.tidy(() => {
      const tensors = (values: readonly (readonly [string, Value])[]): Tensors =>
        Object.fromEntries(values.map(([name, value]) => [name, backend.tensor(value)]));
      const inputs = Object.entries(options.batch).map(([name, { shape, dtype = 'float32' }]) => {
        const sizes = shape.map((d) => (d === 'batch' ? sentinel : d));
        return [name, graph.input(graphName.batch(name), sizes, dtype)] as const;
      });
      const state = Object.entries(options.state).map(
        ([name, { shape }]) => [name, graph.input(graphName.state(name), shape, 'float32')] as const,
      );
      const weights = Object.entries(options.frozen).map(
        ([name, weight]) => [name, graph.weight(graphName.frozen(name), weight)] as const,
      );
      const result = step(tensors(state), tensors(inputs), tensors(weights));
      for (const [name, tensor] of Object.entries(result.out))
        graph.output(graphName.out(name), backend.value(tensor));
      for (const [name, old] of state) {
        const next = result.state[name];
        if (!next) throw new Error(`trace: the step does not return its state '${name}'`);
        const value = backend.value(next);
        if (value.shape.join() !== old.shape.join())
          throw new Error(
            `trace: state '${name}' is [${old.shape.join()}] and would become [${value.shape.join()}]`,
          );
        if (value === old) unchanged.add(name);
        else graph.output(graphName.next(name), value);
      }
    });
  } finally {
    backend.end();
    if (before !== undefined) void tf.setBackend(before);
  }
  return { graph, unchanged };
}

/** What a step takes and gives, known without a number. */
export interface Outline {
  /** Multiply-adds of one sample. */
  readonly macs: number;
  /** Names of the frozen weights it reads. */
  readonly frozen: readonly string[];
  /** Its results, as inputs of a step that goes on from them. */
  readonly out: Readonly<Record<string, InputSpec>>;
}

/** Traces a step once. @throws Error if it reads a tensor's value */
export function outline(step: Step, options: TraceOptions): Outline {
  const { graph } = traceOnce(step, options, sentinels(options)[0]);
  const read = new Set(
    graph.nodes.flatMap(({ inputs }) =>
      inputs.map(({ source }) => (source.kind === 'weight' ? source.weight : undefined)),
    ),
  );
  const results = graph.outputs.filter(({ name }) => name.startsWith(graphName.out('')));
  return {
    macs: graph.macsPerSample(),
    frozen: Object.entries(options.frozen).flatMap(([name, weight]) => (read.has(weight) ? [name] : [])),
    out: Object.fromEntries(
      results.map((value) => [value.name.slice(graphName.out('').length), inputLike(value, graph.sentinel)]),
    ),
  };
}

function inputLike({ name, shape, dtype }: Value, samples: number): InputSpec {
  if (dtype !== 'float32' && dtype !== 'int32') throw new Error(`trace: ${name} is of ${dtype}`);
  return { shape: shape.map((d) => (d === samples ? 'batch' : d)), dtype };
}

/** Multiply-adds of one sample through a step, counted from its trace. */
export function macsOf(step: Step, options: TraceOptions): number {
  return outline(step, options).macs;
}
