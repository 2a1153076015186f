// Which keys say how images are drawn?
import { z } from 'zod';
import { spacings } from '../../diffusion/spacing.js';
import { variances } from '../../samplers/ddpm.js';
import { solverNames } from '../../samplers/solvers.js';
import { count } from './values.js';

/** As many, or text that also says where. */
const stepsOfSampler = z.union([
  count(100_000),
  z
    .string()
    .regex(/^(\d{1,6}(,\d{1,6})+|ddim\d{1,6})$/)
    .meta({ expected: 'counts of sections such as 10,15,20, or a stride such as ddim50' }),
]);
const stepsMeaning =
  'steps of the solver; 10,15,20 takes so many of each third of the diffusion steps, the least noisy first, and ddim50 the smallest whole stride that gives 50';

const guidanceChannels = z.union([z.literal('all'), count(1024)]);
const guidanceInterval = z.array(z.number().min(0).max(100_000)).length(2);

const sampleKeys = z.strictObject({
  solver: z
    .enum(solverNames)
    .default('ddim')
    .describe('how a step is taken (docs/solvers.md); a solver reads the keys that name it, and no others'),
  eta: z.number().min(0).max(1).default(0).describe('fresh noise of ddim: 0 none, 1 as much as ddpm'),
  variance: z
    .enum(variances)
    .default('small')
    .describe(
      'of ddpm, where the backbone does not learn it: small, that of the posterior; large, that of the noise added',
    ),
  order: z
    .int()
    .min(1)
    .max(3)
    .default(2)
    .describe('of dpm-solver and dpm-solver++; of edm 1 is Euler and more is Heun'),
  singlestep: z
    .boolean()
    .default(false)
    .describe(
      'whether dpm-solver and dpm-solver++ take several calls for one longer step, instead of looking back; as many calls in all',
    ),
  churn: z
    .number()
    .min(0)
    .max(1e6)
    .default(0)
    .describe('S_churn of edm: fresh noise before each step; 0 none'),
  churnFrom: z
    .number()
    .min(0)
    .max(1e6)
    .default(0)
    .describe('S_tmin of edm: least noise over signal where it is added'),
  churnTo: z
    .number()
    .min(0)
    .max(1e6)
    .default(1e6)
    .describe('S_tmax of edm: most noise over signal where it is added'),
  churnNoise: z.number().gt(0).max(100).default(1).describe('S_noise of edm: its deviation'),
  steps: stepsOfSampler.default(50).describe(stepsMeaning),
  spacing: z
    .enum(spacings)
    .default('even')
    .describe('where a number of steps lies among the diffusion steps (docs/solvers.md)'),
  count: count(10_000_000).default(64).describe('images to draw; classes take turns'),
  batch: count(65536).default(64).describe('images at once'),
  guidance: z.number().min(0).max(1000).default(1).describe('classifier-free guidance scale; 1 is unguided'),
  guidanceChannels: guidanceChannels
    .default('all')
    .describe('how many channels guidance moves, from the first; the official DiT code moves 3 of 4'),
  guidanceInterval: guidanceInterval
    .optional()
    .describe(
      'native times from and to which guidance is on; elsewhere one pass does for two; always on unless given',
    ),
  clip: z
    .boolean()
    .default(false)
    .describe(
      'cut the predicted image to [-1, 1] at every step; wrong for latents, and with guidance harmful for pixels, too',
    ),
  columns: count(1000).default(8).describe('images per row of the grid'),
});

export const sampleSection = sampleKeys.prefault({}).describe('drawing images');

/** Sampling from a bundle: what is not given is the bundle's. */
const bundleSampleKeys = sampleKeys.extend({
  steps: stepsOfSampler.optional().describe(`${stepsMeaning}; unless given, those of the schedule`),
  spacing: z
    .enum(spacings)
    .optional()
    .describe(
      'where a number of steps lies among the diffusion steps (docs/solvers.md); unless given, where those of the schedule lie, and evenly where there are not as many',
    ),
  guidance: z
    .number()
    .min(0)
    .max(1000)
    .optional()
    .describe("classifier-free guidance scale; 1 is unguided; unless given, the bundle's"),
  guidanceChannels: guidanceChannels
    .optional()
    .describe("how many channels guidance moves, from the first; unless given, the bundle's"),
  guidanceInterval: guidanceInterval
    .optional()
    .describe("native times from and to which guidance is on; unless given, the bundle's"),
  clip: z
    .boolean()
    .optional()
    .describe("cut the predicted image to [-1, 1]; unless given, as the bundle's config did"),
});

export const bundleSampleSection = bundleSampleKeys.prefault({}).describe('drawing images');

/** How many, the section `evaluate` says. */
export const evaluateSampleSection = bundleSampleKeys
  .omit({ count: true, columns: true })
  .prefault({})
  .describe('drawing images');
