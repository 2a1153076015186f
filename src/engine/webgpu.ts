// Engine `webgpu`: steps run eagerly on TensorFlow.js's WebGPU backend, on a device that Dawn opens. No CUDA.
import { UserError, messageOf } from '../errors.js';
import { findAdapter, installWebgpu, isMissing, type FoundAdapter, type GpuDevice } from './dawn.js';
import { eagerEngine } from './eager.js';
import type { CompiledStep, Engine } from './engine.js';
import type { HostTensor, StoredTensor } from './tensors.js';
import { loadWebgpu, registerWebgpu } from './tf.js';
import { mendWebgpu } from './webgpuKernels.js';

export interface WebgpuOptions {
  readonly reason: string;
  /** Reads a weight that lies in a file. */
  readonly load: (weight: StoredTensor) => Promise<HostTensor>;
}

/** Limits of the adapter that the backend may use up; a device has the standard's small ones unless asked. */
const raisedLimits = [
  'maxBufferSize',
  'maxComputeInvocationsPerWorkgroup',
  'maxComputeWorkgroupSizeX',
  'maxComputeWorkgroupStorageSize',
  'maxComputeWorkgroupsPerDimension',
  'maxStorageBufferBindingSize',
];

/** The adapter and the backend's package, or what is missing. Never throws; nothing is computed. */
export async function probeWebgpu(): Promise<FoundAdapter> {
  const found = await findAdapter();
  if ('why' in found) return found;
  try {
    await loadWebgpu();
    return found;
  } catch (error) {
    const name = '@tensorflow/tfjs-backend-webgpu';
    return {
      why: `the optional package '${name}' ${isMissing(error) ? 'is not installed' : `does not load: ${messageOf(error)}`}`,
      remedy: installWebgpu,
    };
  }
}

/** What a device computes on, and what has gone wrong there. */
interface Device {
  readonly name: string;
  readonly health: Health;
  /** Held, as Dawn ends with it. */
  readonly gpu: object;
}

/** TensorFlow.js has one backend of a name, so a process has one device. */
let opened: Promise<Device> | undefined;

/** @throws UserError if there is no adapter or a package is missing */
export async function webgpuEngine({ reason, load }: WebgpuOptions): Promise<Engine> {
  opened ??= openDevice();
  const { name, health } = await opened.catch((error: unknown) => {
    opened = undefined;
    throw error;
  });
  const engine = eagerEngine({ kind: 'webgpu', reason, backend: 'webgpu', load });
  return {
    ...engine,
    device: name,
    compile: async (step, options) => watched(await engine.compile(step, options), health),
  };
}

async function openDevice(): Promise<Device> {
  const found = await probeWebgpu();
  if ('why' in found)
    throw new UserError(`engine webgpu: ${found.why}\n  ${found.remedy}, or take another engine`);
  const { adapter, gpu, name } = found;
  const requiredLimits = Object.fromEntries(
    raisedLimits.flatMap((limit) => {
      const most = adapter.limits[limit];
      return most === undefined ? [] : [[limit, most]];
    }),
  );
  const device = await adapter.requestDevice({ requiredLimits });
  const health = watch(device);
  await registerWebgpu(device, adapter.info);
  mendWebgpu();
  return { name, health, gpu };
}

/** Throws what went wrong on a device, if anything did. */
type Health = () => void;

/**
 * WebGPU computes on after an error, with zeros where a buffer could not be made, and tells of it in an event. Those
 * come before the results of the same work, so looking after each step is in time.
 */
function watch(device: GpuDevice): Health {
  let failure: Error | undefined;
  let loss: Error | undefined;
  device.addEventListener('uncapturederror', (event) => {
    event.preventDefault();
    const { message, constructor } = event.error;
    failure ??=
      constructor.name === 'GPUOutOfMemoryError'
        ? new UserError(`engine webgpu: the GPU has no memory left (${message})\n  take a smaller batch`)
        : new Error(`engine webgpu: ${message}`);
  });
  void device.lost.then(({ reason, message }) => {
    loss = new UserError(
      `engine webgpu: the GPU is gone (${reason}: ${message})\n  resume the run; if it happens again, look at the driver`,
    );
  });
  return () => {
    const first = failure ?? loss;
    failure = undefined;
    if (first) throw first;
  };
}

/** The step, which throws where its device failed instead of returning what is left. */
function watched(compiled: CompiledStep, health: Health): CompiledStep {
  const guard = async <T>(work: Promise<T>): Promise<T> => {
    try {
      const result = await work;
      health();
      return result;
    } catch (error) {
      health();
      throw error;
    }
  };
  return Object.assign((feeds: Parameters<CompiledStep>[0]) => guard(compiled(feeds)), {
    macs: compiled.macs,
    read: () => guard(compiled.read()),
    dispose: () => compiled.dispose(),
  });
}
