// Do the arrays of a call fit the inputs of a step, and how many samples are they?
import type { Feeds, InputSpec } from './engine.js';
import { sizeOf, type HostTensor } from './tensors.js';

/**
 * Gives every fed array its shape. All inputs that carry the batch must agree on it.
 * @throws Error naming the input that is missing, unknown or of a wrong length
 */
export function shapedFeeds(
  specs: Readonly<Record<string, InputSpec>>,
  feeds: Feeds,
): Record<string, HostTensor> {
  for (const name of Object.keys(feeds))
    if (!specs[name]) throw new Error(`step: '${name}' is not an input (${Object.keys(specs).join(', ')})`);
  let batch: number | undefined;
  const shaped: Record<string, HostTensor> = {};
  for (const [name, { shape, dtype = 'float32' }] of Object.entries(specs)) {
    const given = feeds[name];
    if (given === undefined) throw new Error(`step: input '${name}' is missing`);
    const numbers = typeof given === 'number' ? [given] : given;
    const data = dtype === 'int32' ? int32(numbers) : float32(numbers);
    const fixed = sizeOf(shape.filter((d) => d !== 'batch'));
    const carries = shape.includes('batch');
    const samples = data.length / fixed;
    const fits = carries ? Number.isInteger(samples) && samples === (batch ?? samples) : samples === 1;
    if (!fits)
      throw new Error(
        `step: input '${name}' has ${data.length} numbers, expected [${shape.join(', ')}]` +
          (batch === undefined ? '' : ` with a batch of ${batch}`),
      );
    if (carries) batch = samples;
    shaped[name] = { shape: shape.map((d) => (d === 'batch' ? samples : d)), data };
  }
  return shaped;
}

/** The number of samples of a call; 0 where no input carries the batch. */
export function samplesOf(
  specs: Readonly<Record<string, InputSpec>>,
  shaped: Readonly<Record<string, HostTensor>>,
): number {
  for (const [name, { shape }] of Object.entries(specs)) {
    const at = shape.indexOf('batch');
    if (at >= 0) return shaped[name]?.shape[at] ?? 0;
  }
  return 0;
}

function int32(numbers: ArrayLike<number>): Int32Array {
  return numbers instanceof Int32Array ? numbers : Int32Array.from(numbers);
}

function float32(numbers: ArrayLike<number>): Float32Array {
  return numbers instanceof Float32Array ? numbers : Float32Array.from(numbers);
}
