import { describe, expect, it } from '@jest/globals';
import { ddpmBetas, diffusion } from '../../src/diffusion/betas.js';
import { addNoise, noiseMore, predictX0 } from '../../src/diffusion/forward.js';
import { stream } from '../../src/random.js';

/** betas 0.36 and 0.75: alphasCumprod 0.64 and 0.16. */
const short = diffusion({ betas: 'linear', betaStart: 0.36, betaEnd: 0.75, steps: 2 });
const ddpm = diffusion(ddpmBetas);

describe('addNoise', () => {
  it('mixes image and noise by the time of each sample', () => {
    const x = addNoise(short, Float32Array.of(1, -1, 1, -1), Float32Array.of(1, 2, 1, 2), [0, 1]);
    const spread = Math.sqrt(0.84);
    expect(x).toBeAllClose([0.8 + 0.6, -0.8 + 1.2, 0.4 + spread, -0.4 + 2 * spread], 1e-6);
  });

  it('refuses arrays that do not belong together', () => {
    expect(() => addNoise(ddpm, new Float32Array(4), new Float32Array(5), [0])).toThrow(RangeError);
    expect(() => addNoise(ddpm, new Float32Array(4), new Float32Array(4), [0, 1, 2])).toThrow(RangeError);
    expect(() => addNoise(ddpm, new Float32Array(4), new Float32Array(4), [1000])).toThrow(RangeError);
  });
});

describe('noiseMore', () => {
  it('goes on to where the same image with the same noise is later', () => {
    const [t, later] = [Int32Array.of(0, 250, 500, 999), Int32Array.of(40, 250, 999, 999)];
    const [x0, noise] = [stream(1, 'x0').normals(40), stream(1, 'noise').normals(40)];
    const x = addNoise(ddpm, x0, noise, t);
    expect(noiseMore(ddpm, x, noise, t, later)).toBeAllClose(addNoise(ddpm, x0, noise, later), 1e-6);
  });
});

describe('predictX0', () => {
  it('undoes addNoise at every time', () => {
    const t = Int32Array.of(0, 250, 500, 999);
    const [x0, noise] = [stream(1, 'x0').normals(40), stream(1, 'noise').normals(40)];
    const x = addNoise(ddpm, x0, noise, t);
    // float32 x times 1 / sqrt(alphasCumprod[999]) = 158
    expect(predictX0(ddpm, x, noise, t)).toBeAllClose(x0, 158 * 3e-7);
  });
});
