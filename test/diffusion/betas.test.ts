import { describe, expect, it } from '@jest/globals';
import { alphaBar, betaKinds, ddpmBetas, diffusion, logSnr } from '../../src/diffusion/betas.js';
import { UserError } from '../../src/errors.js';
import { schedulerRuns } from '../samplers/fixture.js';

const ddpm = diffusion(ddpmBetas);

describe('diffusion', () => {
  it('goes from the first beta to the last in equal steps', () => {
    const { betas } = diffusion({ betas: 'linear', betaStart: 0.1, betaEnd: 0.3, steps: 5 });
    expect(betas).toBeAllClose([0.1, 0.15, 0.2, 0.25, 0.3], 1e-15);
    expect(diffusion({ betas: 'linear', betaStart: 0.1, betaEnd: 0.3, steps: 1 }).betas).toBeAllClose(
      [0.1],
      0,
    );
  });

  it('goes in equal steps of their square roots where betas are scaled-linear', () => {
    const { betas } = diffusion({ betas: 'scaled-linear', betaStart: 0.01, betaEnd: 0.09, steps: 5 });
    expect(betas).toBeAllClose([0.01, 0.0225, 0.04, 0.0625, 0.09], 1e-15);
    expect(
      diffusion({ betas: 'scaled-linear', betaStart: 0.01, betaEnd: 0.09, steps: 1 }).betas,
    ).toBeAllClose([0.01], 1e-15);
  });

  it('has the noise levels of latent diffusion, from 0.0292 to 14.6146', () => {
    const latent = diffusion({ betas: 'scaled-linear', betaStart: 0.00085, betaEnd: 0.012, steps: 1000 });
    const sigma = (t: number): number => Math.exp(-logSnr(latent, t) / 2);
    expect(sigma(0)).toBeCloseTo(0.0292, 4);
    expect(sigma(999)).toBeCloseTo(14.6146, 4);
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
    for (const betas of betaKinds) expect(() => diffusion({ betas, ...options })).toThrow(UserError);
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
