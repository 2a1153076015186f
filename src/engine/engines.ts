// Which engines are there, can this machine run them, and how is each opened? The one table.
import { readTensor } from '../checkpoints/stored.js';
import { eagerEngine } from './eager.js';
import type { Engine, RunningKind } from './engine.js';
import type { InstallKind } from './install/folder.js';
import { openOnnx } from './onnx.js';
import type { Provider } from './providers.js';
import { registerWasm } from './tf.js';
import { findTensorFlow, tfNodeEngine } from './tfNode.js';
import { mendWasm } from './wasmKernels.js';
import { probeWebgpu, webgpuEngine } from './webgpu.js';

export interface OpenOptions {
  /** CPU threads; 0 takes all cores. */
  readonly threads: number;
  /** Of the engine onnx. */
  readonly provider: Provider;
  /** Why this engine was picked. */
  readonly reason: string;
}

/** Whether an engine runs here: on what, or why not and what would make it run. */
export type Availability =
  | {
      readonly usable: true;
      readonly device: string;
      /** Made for GPUs, but computing on the CPU here: `auto` passes it by. */
      readonly isSoftware?: boolean;
    }
  | { readonly usable: false; readonly why: string; readonly remedy: string };

export interface EngineEntry {
  /** One line: how it runs. */
  readonly summary: string;
  /** Finds out without computing anything; never throws. */
  probe(): Promise<Availability>;
  /** @throws UserError if it is not usable here, with the reason and the remedy of `probe` */
  open(options: OpenOptions): Promise<Engine>;
}

const everywhere = (device: string) => (): Promise<Availability> => Promise.resolve({ usable: true, device });

export const engines: Readonly<Record<RunningKind, EngineEntry>> = {
  onnx: {
    summary: 'steps traced once into a graph, run by onnxruntime',
    probe: everywhere('CPU'),
    open: openOnnx,
  },
  webgpu: {
    summary: 'TensorFlow.js, eagerly, on any GPU through WebGPU',
    probe: async () => {
      const found = await probeWebgpu();
      if ('why' in found) return { usable: false, ...found };
      return { usable: true, device: found.name, isSoftware: found.isSoftware };
    },
    open: ({ reason }) => webgpuEngine({ reason, load: readTensor }),
  },
  cuda: tensorflow('cuda', 'TensorFlow on an NVIDIA GPU, eagerly'),
  native: tensorflow('native', 'TensorFlow on the CPU, eagerly'),
  wasm: {
    summary: 'TensorFlow.js, eagerly, in WebAssembly: slow, the reference of the tests',
    probe: everywhere('CPU'),
    open: async ({ reason }) => {
      await registerWasm();
      mendWasm();
      return eagerEngine({ kind: 'wasm', reason, backend: 'wasm', load: readTensor });
    },
  },
};

/** `exithead engine install` makes these. */
function tensorflow(kind: InstallKind, summary: string): EngineEntry {
  return {
    summary,
    probe: async () => {
      const found = await findTensorFlow(kind);
      return 'device' in found ? { usable: true, ...found } : { usable: false, ...found };
    },
    open: (options) => tfNodeEngine(kind, { ...options, load: readTensor }),
  };
}
