// The only import of TensorFlow.js in the project: everyone takes `tf` from here.
import * as tf from '@tensorflow/tfjs';

// The CPU backend advertises tfjs-node on first use; the engines say themselves what runs and why.
tf.enableProdMode();

export { tf };

/** Registers the WebAssembly backend; it is loaded only when an engine needs it. */
export async function registerWasm(): Promise<void> {
  await import('@tensorflow/tfjs-backend-wasm');
}

/** The class that the WebGPU backend's package exports; its kernels are registered when it is loaded. */
interface WebgpuModule {
  readonly WebGPUBackend: new (device: object, info: object) => tf.KernelBackend;
}

/** Loads the optional package of the WebGPU backend. @throws Error if it is not installed */
export async function loadWebgpu(): Promise<WebgpuModule> {
  // Named indirectly: the package is optional, and so are its types.
  const name: string = '@tensorflow/tfjs-backend-webgpu';
  return (await import(name)) as WebgpuModule;
}

/** Registers the WebGPU backend, on this device. @param info of its adapter */
export async function registerWebgpu(device: object, info: object): Promise<void> {
  const { WebGPUBackend } = await loadWebgpu();
  tf.registerBackend('webgpu', () => whileNavigatorHasGpu(() => new WebGPUBackend(device, info)));
}

/** The backend's constructor wants to see navigator.gpu, and uses it no further: the process keeps what it had. */
function whileNavigatorHasGpu<T>(make: () => T): T {
  const before = Object.getOwnPropertyDescriptor(globalThis, 'navigator');
  Object.defineProperty(globalThis, 'navigator', { value: { gpu: {} }, configurable: true });
  try {
    return make();
  } finally {
    if (before) Object.defineProperty(globalThis, 'navigator', before);
    else Reflect.deleteProperty(globalThis, 'navigator');
  }
}
