import { describe, expect, it } from '@jest/globals';
import { alphaBar, ddpmBetas, diffusion, logSnr } from '../../src/diffusion/betas.js';
import { UserError } from '../../src/errors.js';
import { schedulerRuns } from '../samplers/fixture.js';

const ddpm = diffusion(ddpmBetas);

describe('diffusion', () => {
  it('goes from the first beta to the last in equal steps', () => {
    const { betas } = diffusion({ betaStart: 0.1, betaEnd: 0.3, steps: 5 });
    expect(betas).toBeAllClose([0.1, 0.15, 0.2, 0.25, 0.3], 1e-15);
    expect(diffusion({ betaStart: 0.1, betaEnd: 0.3, steps: 1 }).betas).toBeAllClose([0.1], 0);
  });

  it('has the alphasCumprod of the reference schedulers', () => {
    for (const run of [...schedulerRuns('ddim'), ...schedulerRuns('ddpm')]) {
      const here = run.timesteps.map((t) => alphaBar(ddpm, t));
      expect(here).toBeAllClose(run.alphas_cumprod, 1e-14);
    }
  });

  it.each([
    { betaStart: 0, betaEnd: 0.02, steps: 1000 },
    { betaStart: 0.02, betaEnd: 0.01, steps: 1000 },
    { betaStart: 0.01, betaEnd: 1, steps: 1000 },
    { betaStart: NaN, betaEnd: 0.02, steps: 1000 },
    { betaStart: 0.01, betaEnd: 0.02, steps: 0 },
    { betaStart: 0.01, betaEnd: 0.02, steps: 1.5 },
  ])('refuses %j', (options) => {
    expect(() => diffusion(options)).toThrow(UserError);
  });
});

describe('logSnr', () => {
  it('is the logit of alphasCumprod', () => {
    // alphasCumprod[0] = 1 - 1e-4
    expect(logSnr(ddpm, 0)).toBeCloseTo(Math.log(0.9999 / 0.0001), 10);
  });

  it('falls with time', () => {
    for (let t = 1; t < ddpm.steps; t++) expect(logSnr(ddpm, t)).toBeLessThan(logSnr(ddpm, t - 1));
  });

  it.each([-1, 1000, 0.5, NaN])('has no value at %d', (t) => {
    expect(() => logSnr(ddpm, t)).toThrow(RangeError);
  });
});
