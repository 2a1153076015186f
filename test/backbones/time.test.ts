import { beforeAll, describe, expect, it } from '@jest/globals';
import { nativeTime } from '../../src/backbones/time.js';
import { ddpmBetas, diffusion, logSnr } from '../../src/diffusion/betas.js';
import { tf } from '../../src/engine/tf.js';

beforeAll(() => tf.setBackend('cpu'));

describe('native t', () => {
  it.each([
    ['steps', [0, 412.5, 999]],
    ['steps-from-1', [1, 413.5, 1000]],
    ['continuous', [0.999, 413.0865, 999]],
  ] as const)('at diffusion steps, on the axis %s', (timeAxis, expected) => {
    const native = nativeTime({ timeAxis, timeSteps: 1000 }, tf.tensor1d([0, 412.5, 999]));
    expect(native.dataSync()).toBeAllClose(expected, 1e-4);
  });

  it('is that of the continuous diffusion with as much noise', () => {
    // Official pixel models: alphaBar(u) = exp(-0.1 u - 9.95 u^2), and native t is 999 u.
    const ddpm = diffusion(ddpmBetas);
    const steps = [50, 200, 500, 800, 999];
    const native = nativeTime({ timeAxis: 'continuous', timeSteps: 1000 }, tf.tensor1d(steps)).dataSync();
    steps.forEach((step, i) => {
      const u = (native[i] ?? NaN) / 999;
      const alphaBar = Math.exp(-0.1 * u - 9.95 * u * u);
      expect(Math.abs(Math.log(alphaBar / (1 - alphaBar)) - logSnr(ddpm, step))).toBeLessThan(0.1);
    });
  });
});
