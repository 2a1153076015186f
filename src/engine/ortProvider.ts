// What is told to a session that computes elsewhere than on the CPU, and does that compute rightly here?
import { messageOf, UserError } from '../errors.js';
import type { Graph, Node } from '../trace/graph.js';
import { nodeName } from '../trace/onnx.js';
import type { Engine, Step } from './engine.js';
import type { Provider } from './providers.js';
import { sizeOf } from './tensors.js';
import { tf } from './tf.js';

type Accelerator = Exclude<Provider, 'cpu'>;

/**
 * Whether an operator is too rough on WebGPU, and so stays on the CPU. WGSL promises two digits of a sine, and nothing
 * for angles such as an embedding of times has. Of a small hyperbolic tangent it has no digits; AdamW's correction of
 * its moments is such a one, a single number, while GELU, with many, does without.
 */
function isRough({ op, outputs }: Node): boolean {
  if (op === 'Sin' || op === 'Cos') return true;
  return op === 'Tanh' && outputs.every(({ shape }) => sizeOf(shape) === 1);
}

/** What a session is told: the provider; what it does not know is computed on the CPU. */
export function executionProviders(
  provider: Accelerator,
  graph: Graph,
): [Accelerator | { name: 'webgpu'; forceCpuNodeNames: string[] }] {
  if (provider !== 'webgpu') return [provider];
  const rough = graph.live().flatMap((node, at) => (isRough(node) ? [nodeName(node, at)] : []));
  // An empty list is refused.
  return rough.length > 0 ? [{ name: provider, forceCpuNodeNames: rough }] : [provider];
}

/** What to do to have a provider. */
const remedies: Readonly<Record<Accelerator, string>> = {
  cuda:
    'On Linux x86-64 its libraries are fetched by a script of onnxruntime-node, from NuGet: ' +
    'ONNXRUNTIME_NODE_INSTALL=true node node_modules/onnxruntime-node/script/install.js; they need CUDA 12 and cuDNN 9. ' +
    'Or use another engine for the GPU: exithead engine list.',
  tensorrt:
    'On Linux x86-64 its library is fetched with that of cuda, by a script of onnxruntime-node, from NuGet: ' +
    'ONNXRUNTIME_NODE_INSTALL=true node node_modules/onnxruntime-node/script/install.js; it needs CUDA 12 and TensorRT 10.',
  webgpu:
    'It needs a GPU and its driver, on Linux a Vulkan driver and libvulkan1; onnxruntime is not built with it for Linux on ARM.',
  dml: 'It is there on Windows alone.',
  coreml: 'It is there on macOS alone.',
};

/**
 * @param listed what onnxruntime-node says of this platform
 * @throws UserError if the provider is not among it
 */
export function requireListed(provider: Accelerator, listed: readonly { readonly name: string }[]): void {
  if (listed.some(({ name }) => name === provider)) return;
  throw new UserError(
    `engine.provider: found ${provider}, but onnxruntime has ${listed.map(({ name }) => name).join(', ')} on ` +
      `${process.platform} ${process.arch}. ${remedies[provider]}`,
  );
}

/** A step with a state, like training; two calls show whether that is kept. */
const trial: Step = ({ w }, { x, rate }) => {
  if (!w || !x || !rate) throw new Error('the trial step lacks an input');
  const y = tf.matMul(x, w);
  return { state: { w: tf.sub(w, tf.mul(rate, w)) }, out: { y: tf.tanh(y) } };
};

/**
 * Lets the provider compute before any work is done.
 * @param engine on that provider
 * @throws UserError if it cannot, or computes something else
 */
export async function requireRight(provider: Accelerator, engine: Engine): Promise<void> {
  const numbers = await trialOn(engine).catch((error: unknown) => {
    throw new UserError(
      `engine.provider: found ${provider}, which does not run here: ${messageOf(error).trim()}\n  ${remedies[provider]}`,
    );
  });
  const expected = [Math.tanh(0.5 * 8), Math.tanh(0.25 * 8), 0.125];
  if (expected.every((value, i) => Math.abs((numbers[i] ?? NaN) - value) < 1e-3)) return;
  throw new UserError(
    `engine.provider: found ${provider}, which computes wrongly here (${numbers.join(', ')}, expected ${expected.join(', ')}). ` +
      'Use another provider or engine.',
  );
}

/** Result of the first call, of the second, and the state after them. */
async function trialOn(engine: Engine): Promise<number[]> {
  const compiled = await engine.compile(trial, {
    state: { w: { shape: [8, 4], data: new Float32Array(32).fill(0.5) } },
    batch: { x: { shape: ['batch', 8] }, rate: { shape: [] } },
    frozen: {},
  });
  try {
    const numbers: number[] = [];
    for (let call = 0; call < 2; call++)
      numbers.push((await compiled({ x: new Float32Array(16).fill(1), rate: 0.5 }))['y']?.data[0] ?? NaN);
    return [...numbers, (await compiled.read())['w']?.data[0] ?? NaN];
  } finally {
    await compiled.dispose();
  }
}
