// Which engine runs here, and why?
import { readTensor } from '../checkpoints/stored.js';
import { unreachable } from '../errors.js';
import { eagerEngine } from './eager.js';
import type { Engine, EngineKind } from './engine.js';
import { onnxEngine } from './onnx.js';
import { registerWasm } from './tf.js';
import { mendWasm } from './wasmKernels.js';

export interface EngineOptions {
  readonly kind: EngineKind;
  /** 0 takes all cores. */
  readonly threads: number;
}

/** Opens the engine asked for; `auto` takes the fastest that this machine has. */
export async function pickEngine({ kind, threads }: EngineOptions): Promise<Engine> {
  switch (kind) {
    case 'auto':
      return onnxEngine({
        threads,
        reason: 'compiled graphs on the CPU; the fastest engine that npm alone installs',
      });
    case 'onnx':
      return onnxEngine({ threads, reason: 'asked for' });
    case 'wasm':
      await registerWasm();
      mendWasm();
      return eagerEngine({ kind, reason: 'asked for', backend: 'wasm', load: readTensor });
    default:
      return unreachable(kind);
  }
}
