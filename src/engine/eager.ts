// Eager engines: the same step under tf.tidy on a TensorFlow.js backend, with the replaced state disposed.
import { outline } from '../trace/trace.js';
import type { CompiledStep, CompileOptions, Engine, Feeds, Step, Tensors } from './engine.js';
import { shapedFeeds } from './feeds.js';
import { noInt8 } from './int8.js';
import {
  isQuantised,
  isStored,
  type FrozenWeight,
  type HostTensor,
  type HostTensors,
  type StoredTensor,
} from './tensors.js';
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
  const held = heldWeights(options);
  return {
    kind: options.kind,
    reason: options.reason,
    sharesWeights: true,
    compile: (step, compileOptions) => compile(step, compileOptions, options, held),
  };
}

async function compile(
  step: Step,
  options: CompileOptions,
  engine: EagerOptions,
  held: HeldWeights,
): Promise<CompiledStep> {
  if (Object.values(options.frozen).some(isQuantised)) throw noInt8(engine.kind);
  const { macs, frozen } = outline(step, options);
  const weights: Record<string, tf.Tensor> = {};
  const giveBack = async (): Promise<void> => {
    for (const name of Object.keys(weights)) await held.giveBack(options.frozen[name]);
  };
  try {
    for (const name of frozen) weights[name] = await held.take(options.frozen[name]);
  } catch (error) {
    await giveBack();
    throw error;
  }
  await tf.setBackend(engine.backend);
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
    macs,
    read: (): Promise<HostTensors> => hostTensors(state),
    dispose: async (): Promise<void> => {
      tf.dispose(state);
      await giveBack();
    },
  });
}

/** Weights on the backend: one tensor for all steps that read the same weight. */
interface HeldWeights {
  take(weight: FrozenWeight | undefined): Promise<tf.Tensor>;
  /** Once for every time it was taken; the last time frees it. */
  giveBack(weight: FrozenWeight | undefined): Promise<void>;
}

function heldWeights({ kind, backend, load }: EagerOptions): HeldWeights {
  const held = new Map<FrozenWeight, { readonly tensor: Promise<tf.Tensor>; users: number }>();
  const made = async (weight: FrozenWeight): Promise<tf.Tensor> => {
    if (isQuantised(weight)) throw noInt8(kind);
    const { data, shape } = isStored(weight) ? await load(weight) : weight;
    await tf.setBackend(backend);
    return tensorOf(data, shape);
  };
  const giveBack: HeldWeights['giveBack'] = async (weight) => {
    const known = weight && held.get(weight);
    if (!known || --known.users > 0) return;
    held.delete(weight);
    (await known.tensor.catch(() => undefined))?.dispose();
  };
  return {
    giveBack,
    take: async (weight) => {
      if (!weight) throw new Error('step: a weight is missing');
      const known = held.get(weight) ?? { tensor: made(weight), users: 0 };
      known.users++;
      held.set(weight, known);
      try {
        return await known.tensor;
      } catch (error) {
        await giveBack(weight);
        throw error;
      }
    },
  };
}

function tensors(group: HostTensors): Record<string, tf.Tensor> {
  return Object.fromEntries(
    Object.entries(group).map(([name, { data, shape }]) => [name, tensorOf(data, shape)]),
  );
}

function tensorOf(data: HostTensor['data'], shape: readonly number[]): tf.Tensor {
  return tf.tensor(data, [...shape], data instanceof Int32Array ? 'int32' : 'float32');
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
