// Which engine multiplies in 8 bits, and does this processor do it right?
import { UserError } from '../errors.js';
import type { Engine, RunningKind, Step } from './engine.js';
import type { Provider } from './providers.js';
import type { QuantisedTensor } from './tensors.js';
import { tf } from './tf.js';

/** The one engine with products in 8 bits. */
export const int8Engine = 'onnx' satisfies RunningKind;

export function noInt8(kind: RunningKind): UserError {
  return new UserError(
    `engine ${kind} has no products in 8 bits, which engine.frozenPrecision: int8 asks for. Take the engine ${int8Engine}, or ` +
      'set engine.frozenPrecision to fp32.',
  );
}

/** Other providers would hand every such product back to the CPU, with copies both ways. */
export function noInt8On(provider: Provider): UserError {
  return new UserError(
    `engine.provider is ${provider}, but only cpu has products in 8 bits, which engine.frozenPrecision: int8 asks for. ` +
      'Remove engine.provider, or set engine.frozenPrecision to fp32.',
  );
}

/**
 * Multiplies the largest numbers there are. Processors without instructions for this add pairs of such products in 16
 * bits, which hold half of their sum.
 * @throws UserError if the engine or the processor cannot do it
 */
export async function requireInt8(engine: Engine): Promise<void> {
  if (engine.kind !== int8Engine) throw noInt8(engine.kind);
  const [inputs, outputs] = [64, 16];
  const weight: QuantisedTensor = {
    shape: [outputs, inputs],
    numbers: new Int8Array(inputs * outputs).fill(127),
    scales: new Float32Array(outputs).fill(1),
  };
  const batch = { x: { shape: ['batch', inputs] as const } };
  const compiled = await engine.compile(product, { state: {}, batch, frozen: { weight } });
  try {
    const { y } = await compiled({ x: new Float32Array(2 * inputs).fill(1) });
    const expected = inputs * 127;
    if (y && [...y.data].every((found) => Math.abs(found / expected - 1) < 1e-3)) return;
    throw new UserError(
      `this processor gets products in 8 bits wrong (${y?.data[0] ?? 'nothing'} for ${expected}): it has no instructions for them. ` +
        'Set engine.frozenPrecision to fp32.',
    );
  } finally {
    await compiled.dispose();
  }
}

const product: Step = (_state, { x }, { weight }) => {
  if (!x || !weight) throw new Error('a product has two sides');
  return { state: {}, out: { y: tf.fused.matMul({ a: x, b: weight, transposeB: true }) } };
};
