// What is x_t, given an image and noise, and what is the image, given x_t and the noise in it?
import { alphaBar, type Diffusion } from './betas.js';

/**
 * x_t = sqrt(a) x_0 + sqrt(1 - a) noise with a = alphasCumprod[t] of each sample (DDPM, equation 4).
 * @param x0 samples, [B, ...]
 * @param noise standard normal, as x0
 * @param t native time of each sample, [B]
 */
export function addNoise(
  schedule: Diffusion,
  x0: Float32Array,
  noise: Float32Array,
  t: ArrayLike<number>,
): Float32Array {
  return perSample(schedule, t, x0, noise, (image, e, signal, spread) => signal * image + spread * e);
}

/**
 * The same image with the same noise at a noisier time t': x_t' = sqrt(a' / a) x_t + (sqrt(1 - a') - sqrt(a' (1 - a) / a))
 * noise, with a' <= a.
 * @param x noisy samples, [B, ...]
 * @param noise the noise in them, as x
 * @param t native time of each sample, [B]
 * @param later native time to go to, t or noisier, [B]
 */
export function noiseMore(
  schedule: Diffusion,
  x: Float32Array,
  noise: Float32Array,
  t: ArrayLike<number>,
  later: ArrayLike<number>,
): Float32Array {
  const size = x.length / t.length;
  return x.map((value, at) => {
    const i = Math.floor(at / size);
    const [a, b] = [alphaBar(schedule, t[i] ?? NaN), alphaBar(schedule, later[i] ?? NaN)];
    return Math.sqrt(b / a) * value + (Math.sqrt(1 - b) - Math.sqrt((b * (1 - a)) / a)) * (noise[at] ?? NaN);
  });
}

/**
 * x_0 = (x_t - sqrt(1 - a) epsilon) / sqrt(a): the image that a predicted epsilon implies (DDPM, equation 15).
 * @param x noisy samples, [B, ...]
 * @param epsilon the noise in them, as x
 * @param t native time of each sample, [B]
 */
export function predictX0(
  schedule: Diffusion,
  x: Float32Array,
  epsilon: Float32Array,
  t: ArrayLike<number>,
): Float32Array {
  return perSample(schedule, t, x, epsilon, (noisy, e, signal, spread) => (noisy - spread * e) / signal);
}

function perSample(
  schedule: Diffusion,
  t: ArrayLike<number>,
  first: Float32Array,
  second: Float32Array,
  combine: (first: number, second: number, signal: number, spread: number) => number,
): Float32Array {
  const size = first.length / t.length;
  if (second.length !== first.length || !Number.isInteger(size))
    throw new RangeError(`got ${first.length} and ${second.length} numbers for ${t.length} samples`);
  const out = new Float32Array(first.length);
  for (let i = 0; i < t.length; i++) {
    const alpha = alphaBar(schedule, t[i] ?? NaN);
    const [signal, spread] = [Math.sqrt(alpha), Math.sqrt(1 - alpha)];
    for (let j = i * size; j < (i + 1) * size; j++)
      out[j] = combine(first[j] ?? NaN, second[j] ?? NaN, signal, spread);
  }
  return out;
}
