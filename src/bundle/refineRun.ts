// Which schedule near a run's own draws best? Refinement by what is drawn from common noise, at no more cost.
import { openData } from '../data/open.js';
import { openPrompts } from '../data/openPrompts.js';
import { diffusion } from '../diffusion/betas.js';
import { unreachable } from '../errors.js';
import { differenceOf, estimateOf, meanOf, type Estimate } from '../evaluate/estimate.js';
import { frechetEstimate, frechetReference } from '../evaluate/frechet.js';
import { referenceFeatures } from '../evaluate/reference.js';
import { exitsOf } from '../exits/model.js';
import { generateBatch } from '../samplers/generate.js';
import { solverOf } from '../samplers/solvers.js';
import { costOfSchedule, fullDepthOf } from '../schedules/baselines.js';
import { driftsOf } from '../schedules/follow.js';
import { atEveryCount, countOf, oneMoveFrom } from '../schedules/nearby.js';
import type { StepCount } from '../schedules/overSteps.js';
import { refine, type Refined, type Round } from '../schedules/refine.js';
import { exitAt, unconditionalAt, type Schedule } from '../schedules/schedule.js';
import { budgetAt } from '../schedules/solve.js';
import type { Work } from '../training/fit.js';
import type { Progress } from '../training/progress.js';
import type { Trained } from '../training/openTrained.js';
import { openPictureVae, picturesOf } from '../vae/pictures.js';
import { openJudge } from './openJudge.js';
import { openRunDenoiser } from './runDenoiser.js';

export interface RefineRun extends Omit<Work, 'progress'> {
  readonly trained: Trained;
  /** The numbers of steps to choose among, the most first (`stepCountsOf`). */
  readonly counts: readonly StepCount[];
  readonly start: Schedule;
  readonly progressOf: (label: string) => Progress;
  readonly onRound?: (round: Round<Schedule>) => void;
}

/** What drawn samples lose. */
interface Measure {
  of(samples: Float32Array, noise: number): Promise<Estimate>;
  dispose(): Promise<void>;
}

/**
 * The best schedule found within the speed-up that the start was asked for: at all step counts, and one move away from it.
 * @throws UserError if nobody can judge what is drawn
 * @throws Interrupted after the signal
 */
export async function refineRun(run: RefineRun): Promise<Refined<Schedule>> {
  const { trained, start, counts } = run;
  const { candidates, rounds } = trained.config.schedule.refine;
  const [most] = counts;
  if (!most) throw new Error('a schedule has some number of steps');
  // What was asked for may be spent, whatever of it the start leaves over.
  const own = costOfSchedule(countOf(start, counts).options, start);
  const budget = Math.max(own, budgetAt(most.options, start.asked.speedup)) * (1 + 1e-9);
  const elsewhere = atEveryCount(start, counts, budget);
  const studio = await openStudio(run);
  try {
    const full = kept((noise) => studio.draw(fullDepthOf(most.options), noise));
    const measure = await measureOf(run, full);
    try {
      return await refine({
        ...{ start, abreast: candidates, rounds },
        nameOf: ({ timesteps, exits, unconditional = [] }) =>
          `${timesteps.length} steps: ${exits.join()}, ${unconditional.join()}`,
        neighbours: (of) => [...elsewhere, ...oneMoveFrom(of, counts, budget)],
        measure: async (schedule, noise) => measure.of(await studio.draw(schedule, noise), noise),
        difference: differenceOf,
        ...(run.onRound && { onRound: run.onRound }),
      });
    } finally {
      await measure.dispose();
    }
  } finally {
    await studio.dispose();
  }
}

/** Where sets of samples are drawn. */
interface Studio {
  /** @returns [samples, C, H, W] */
  draw(schedule: Schedule, noise: number): Promise<Float32Array>;
  dispose(): Promise<void>;
}

async function openStudio({ trained, start, engine, signal, progressOf }: RefineRun): Promise<Studio> {
  const { config, backbone } = trained;
  const { spec } = backbone;
  const { samples, candidates, rounds } = config.schedule.refine;
  const { clip, batch } = config.sample;
  const apart = start.unconditional !== undefined;
  const denoiser = await openRunDenoiser(trained, engine, exitsOf(trained.model), { apart });
  const length = spec.channels * spec.imageSize ** 2;
  const settings = {
    ...{ signal, length, clip, batch, count: samples, classes: denoiser.prompts.count },
    ...{ solver: solverOf(config.sample), diffusion: diffusion(config.diffusion) },
  };
  const progress = progressOf('refine');
  // Each round draws its candidates, and twice in fresh noise, where full depth is drawn, too.
  const most = rounds * (candidates + 3) + 2;
  let drawn = 0;
  return {
    async draw(schedule, noise) {
      const out = new Float32Array(samples * length);
      const options = { ...settings, timesteps: schedule.timesteps, seed: config.seed + noise };
      for (let from = 0; from < samples; from += batch) {
        const predict = denoiser.begin();
        const images = await generateBatch(options, from, Math.min(batch, samples - from), (x, t, y) =>
          predict(exitAt(schedule, t), x, t, y, unconditionalAt(schedule, t)),
        );
        out.set(images, from * length);
      }
      progress.update(Math.min(++drawn, most), most, {});
      return out;
    },
    async dispose() {
      progress.end();
      await denoiser.dispose();
    },
  };
}

/** @param full what full depth draws from a noise */
async function measureOf(
  { trained: { config, backbone }, engine, signal, say, warn, progressOf }: RefineRun,
  full: (noise: number) => Promise<Float32Array>,
): Promise<Measure> {
  const { spec } = backbone;
  const { by, samples, features } = config.schedule.refine;
  switch (by) {
    case 'drift':
      return {
        async of(drawn, noise) {
          const terms = Float64Array.from(
            driftsOf(drawn, { final: await full(noise), y: new Int32Array(samples) }),
          );
          // Full depth from the same noise is nothing that was drawn by chance.
          return estimateOf(meanOf(terms), terms, Float64Array.of(0, 0));
        },
        dispose: () => Promise.resolve(),
      };
    case 'fid': {
      const prompts = await openPrompts(spec, config.data.captions, 'data.captions');
      const pictures = picturesOf(spec, await openPictureVae(spec, config.vae));
      const judge = await openJudge({
        ...{ engine, spec, prompts, pictures, features, signal, say, warn, progressOf },
        data: config.data,
      });
      const { extractor } = judge;
      const test = await openData(config.data, 'test', spec);
      const real = await referenceFeatures(test, extractor, {
        ...{ signal, say, warn, count: Math.min(10_000, test.count), progress: progressOf('real images') },
      });
      const reference = frechetReference(real, extractor.width);
      return {
        of: async (drawn) => frechetEstimate((await extractor.see(drawn)).features, reference),
        dispose: () => judge.dispose(),
      };
    }
    default:
      return unreachable(by);
  }
}

/** Computed once for every noise. */
function kept<T>(make: (noise: number) => Promise<T>): (noise: number) => Promise<T> {
  const known = new Map<number, Promise<T>>();
  return (noise) => {
    const found = known.get(noise) ?? make(noise);
    known.set(noise, found);
    return found;
  };
}
