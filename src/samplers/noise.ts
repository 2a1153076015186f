// Which noise does sample i see? Its own, whatever the batch it is in and whichever exits run.
import { stream } from '../random.js';

/** A batch out of all samples of a run. */
export interface Samples {
  /** Index of the first one. */
  readonly from: number;
  readonly count: number;
  /** Numbers in each, C * H * W. */
  readonly length: number;
}

/** Where sampling starts: standard normal, [count, length]. */
export function initialNoise(seed: number, samples: Samples): Float32Array {
  return normals(seed, 'initial noise', samples);
}

/** What step n of a stochastic solver adds: standard normal, [count, length]. */
export function stepNoise(seed: number, samples: Samples): (step: number) => Float32Array {
  return (step) => normals(seed, `noise of step ${step}`, samples);
}

function normals(seed: number, purpose: string, { from, count, length }: Samples): Float32Array {
  const out = new Float32Array(count * length);
  for (let i = 0; i < count; i++) out.set(stream(seed, purpose, from + i).normals(length), i * length);
  return out;
}
