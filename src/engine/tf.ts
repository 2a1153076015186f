// The only import of TensorFlow.js in the project: everyone takes `tf` from here.
import * as tf from '@tensorflow/tfjs';

// The CPU backend advertises tfjs-node on first use; the engines say themselves what runs and why.
tf.enableProdMode();

export { tf };

/** Registers the WebAssembly backend; it is loaded only when an engine needs it. */
export async function registerWasm(): Promise<void> {
  await import('@tensorflow/tfjs-backend-wasm');
}
