// Eager engines: the same step under tf.tidy on a TensorFlow.js backend, with the replaced state disposed.
import { macsOf } from '../trace/trace.js';
import type { CompiledStep, CompileOptions, Engine, Feeds, Step, Tensors } from './engine.js';
import { shapedFeeds } from './feeds.js';
import { noInt8 } from './int8.js';
import { isQuantised, isStored, type HostTensor, type HostTensors, type StoredTensor } from './tensors.js';
import { tf } from './tf.js';

export interface EagerOptions {
  readonly kind: Engine['kind'];
  readonly reason: string;
  /** TensorFlow.js backend name. */
  readonly backend: string;
  /** Reads a weight that lies in a file. */
  readonly load: (weight: StoredTensor) => Promise<HostTensor>;
}

export function eagerEngine(options: EagerOptions): Engine {
  return {
    kind: options.kind,
    reason: options.reason,
    compile: (step, compileOptions) => compile(step, compileOptions, options),
  };
}

async function compile(step: Step, options: CompileOptions, engine: EagerOptions): Promise<CompiledStep> {
  const frozen: Record<string, HostTensor> = {};
  for (const [name, weight] of Object.entries(options.frozen)) {
    if (isQuantised(weight)) throw noInt8(engine.kind);
    frozen[name] = isStored(weight) ? await engine.load(weight) : weight;
  }
  await tf.setBackend(engine.backend);
  const weights = tensors(frozen);
  let state = tensors(options.state);

  const run = async (feeds: Feeds): Promise<Record<string, HostTensor>> => {
    await tf.setBackend(engine.backend);
    const inputs = tensors(shapedFeeds(options.batch, feeds));
    // Fresh handles: what the step returns is then never the very tensor that is disposed below.
    const result = tf.tidy(() => {
      const next = step(state, inputs, weights);
      const clones = (group: Tensors): Record<string, tf.Tensor> =>
        Object.fromEntries(Object.entries(group).map(([name, x]) => [name, tf.clone(x)]));
      return { state: clones(next.state), out: clones(next.out) };
    });
    tf.dispose(inputs);
    tf.dispose(state);
    state = result.state;
    const out = await hostTensors(result.out);
    tf.dispose(result.out);
    return out;
  };
  return Object.assign(run, {
    macs: macsOf(step, options),
    read: (): Promise<HostTensors> => hostTensors(state),
    dispose: (): Promise<void> => {
      tf.dispose(weights);
      tf.dispose(state);
      return Promise.resolve();
    },
  });
}

function tensors(group: HostTensors): Record<string, tf.Tensor> {
  return Object.fromEntries(
    Object.entries(group).map(([name, { data, shape }]) => [
      name,
      tf.tensor(data, [...shape], data instanceof Int32Array ? 'int32' : 'float32'),
    ]),
  );
}

async function hostTensors(group: Tensors): Promise<Record<string, HostTensor>> {
  const out: Record<string, HostTensor> = {};
  for (const [name, x] of Object.entries(group)) {
    if (x.dtype !== 'float32' && x.dtype !== 'int32')
      throw new Error(`step: '${name}' is of ${x.dtype}, not made of numbers`);
    // A copy; and some backends keep the bytes of the truth values that a float was cast from.
    const data = await x.data();
    out[name] = {
      shape: x.shape,
      data: x.dtype === 'int32' ? Int32Array.from(data) : Float32Array.from(data),
    };
  }
  return out;
}
