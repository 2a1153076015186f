// Engines `native` and `cuda`: steps run eagerly on a TensorFlow that `exithead engine install` put into the cache.
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { messageOf, UserError } from '../errors.js';
import { eagerEngine } from './eager.js';
import type { Engine } from './engine.js';
import { visibleGpus } from './gpus.js';
import { addonIn, engineFolder, type InstallKind } from './install/folder.js';
import { bridges, installed } from './install/install.js';
import { pinsFor, thisMachine } from './install/machine.js';
import type { HostTensor, StoredTensor } from './tensors.js';
import { tf } from './tf.js';

export interface TfNodeOptions {
  /** CPU threads; 0 takes all cores. */
  readonly threads: number;
  readonly reason: string;
  /** Reads a weight that lies in a file. */
  readonly load: (weight: StoredTensor) => Promise<HostTensor>;
}

/** Where an engine would compute, or why not and what would help. */
export type FoundTensorFlow =
  | { readonly device: string }
  | { readonly why: string; readonly remedy: string; readonly isInstalled: boolean };

/** Looks whether an engine is installed and, for `cuda`, whether there is a GPU. Loads nothing, never throws. */
export async function findTensorFlow(kind: InstallKind): Promise<FoundTensorFlow> {
  try {
    if (!(await installed(engineFolder(kind)))) {
      if (kind === 'native' && stockPackage() !== undefined)
        return { device: 'CPU, with the @tensorflow/tfjs-node of this project' };
      pinsFor(kind, thisMachine());
      const remedy = `install it: exithead engine install ${kind}`;
      return { why: 'it is not installed', remedy, isInstalled: false };
    }
  } catch (error) {
    return { why: messageOf(error), remedy: '', isInstalled: false };
  }
  if (kind === 'native') return { device: 'CPU' };
  const gpus = await visibleGpus();
  if (gpus.length > 0) return { device: gpus.join(', ') };
  const remedy = 'without one it computes on the CPU; if there is one, look whether nvidia-smi lists it';
  return { why: 'it is installed, but no NVIDIA GPU is visible', remedy, isInstalled: true };
}

/**
 * Opens an engine. `cuda` without a GPU computes on the CPU, and its reason says so.
 * @throws UserError if it is not installed, if TensorFlow cannot use the GPU that is there, or if this process has
 * the other of the two already
 */
export async function tfNodeEngine(kind: InstallKind, options: TfNodeOptions): Promise<Engine> {
  const found = await findTensorFlow(kind);
  if ('why' in found && !found.isInstalled)
    throw new UserError(
      `engine ${kind} does not run here: ${[found.why, found.remedy].filter(Boolean).join('; ')}`,
    );
  const { isOnGpu } = await load(kind, options.threads);
  const onGpu = kind === 'cuda' && 'device' in found;
  if (onGpu && !isOnGpu)
    throw new UserError(
      `the driver shows ${found.device}, but TensorFlow cannot use it. The driver must be of version 525 or newer and the ` +
        'GPU of compute capability 7.5 or higher; TF_CPP_MIN_LOG_LEVEL=0 makes TensorFlow say what it misses. ' +
        'Or use another engine: --engine onnx.',
    );
  const fallsBack = kind === 'cuda' && !isOnGpu;
  const reason = fallsBack
    ? `${options.reason}; no NVIDIA GPU is visible, so TensorFlow computes on the CPU, where onnx is faster`
    : options.reason;
  const engine = eagerEngine({ kind, reason, backend: backendName, load: options.load });
  return onGpu ? { ...engine, device: found.device } : engine;
}

/** The kernels are registered under this name. */
const backendName = 'tensorflow';

/** What the compiled addon exports, as far as it matters here. */
interface Addon {
  readonly TF_Version: string;
  isUsingGpuDevice(): boolean;
}
interface BackendModule {
  readonly NodeJSKernelBackend: new (addon: Addon, packageName: string) => tf.KernelBackend;
}

interface Loaded {
  readonly kind: InstallKind;
  readonly isOnGpu: boolean;
}

/** The libraries of both engines have the same names, so a process has one of them. */
let loaded: Loaded | undefined;

async function load(kind: InstallKind, threads: number): Promise<Loaded> {
  if (loaded?.kind === kind) return loaded;
  if (loaded)
    throw new UserError(
      `engine ${kind} cannot be opened in a process that has used ${loaded.kind}. Start another process for it.`,
    );
  quieten(threads);
  const folder = engineFolder(kind);
  const facts = await installed(folder);
  loaded = { kind, isOnGpu: facts ? register(folder, facts.source) : registerStock() };
  return loaded;
}

/** What TensorFlow reads from the environment when it is loaded; what the user has set stays. */
function quieten(threads: number): void {
  const { env } = process;
  env.TF_CPP_MIN_LOG_LEVEL ??= '2';
  // Otherwise it takes all memory of the GPU at once.
  env.TF_FORCE_GPU_ALLOW_GROWTH ??= 'true';
  if (threads > 0) env.TF_NUM_INTRAOP_THREADS ??= String(threads);
}

/** Registers backend and kernels on the TensorFlow.js of this process. @returns whether it computes on a GPU */
function register(folder: string, source: string): boolean {
  const require = createRequire(join(folder, 'package.json'));
  for (const name of bridges) Object.assign(require(name) as object, tf);
  const { NodeJSKernelBackend } = require(`${source}/dist/nodejs_kernel_backend.js`) as BackendModule;
  require(`${source}/dist/register_all_kernels.js`);
  const addon = require(addonIn(folder)) as Addon;
  tf.registerBackend(backendName, () => new NodeJSKernelBackend(addon, source));
  return addon.isUsingGpuDevice();
}

const stockName = '@tensorflow/tfjs-node';

/** TensorFlow.js's own package in the user's project: all there is on Windows. */
function stockPackage(): NodeJS.Require | undefined {
  const require = createRequire(join(process.cwd(), 'package.json'));
  try {
    require.resolve(stockName);
    return require;
  } catch {
    return undefined;
  }
}

/** Registers itself when it is loaded, through TensorFlow.js's globals. */
function registerStock(): boolean {
  stockPackage()?.(stockName);
  return false;
}
