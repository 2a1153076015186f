// Does what is predicted of schedules rank them as samples do? Schedules of the front and simple ones, drawn from one noise.
import { fullDepth, type Course } from '../../src/evaluate/ways.js';
import { openDenoiser } from '../../src/exits/denoiser.js';
import { exitsOf } from '../../src/exits/model.js';
import { promptsOf } from '../../src/exits/prompts.js';
import { diffusion } from '../../src/diffusion/betas.js';
import { labelsFor, generateBatch } from '../../src/samplers/generate.js';
import {
  aseSchedule,
  fullDepthOf,
  refreshedSchedule,
  twoLevelSchedule,
  uniformSchedule,
} from '../../src/schedules/baselines.js';
import { driftsOf } from '../../src/schedules/follow.js';
import { moments } from '../../src/schedules/moments.js';
import { frontOverSteps, placeOf, withDrift, type StepCount } from '../../src/schedules/overSteps.js';
import { rankCorrelation } from '../../src/schedules/scores.js';
import type { Schedule } from '../../src/schedules/schedule.js';
import type { Work } from '../../src/training/fit.js';
import type { Prepared } from './heads.js';
import type { Ranking } from './results.js';

/** Samples of each schedule, and at once. */
const [samples, batch] = [256, 64];
/** Points of the front, and speed-ups at which simple schedules are the best of their form. */
const [points, speedups] = [16, [1.2, 1.4, 1.6, 1.8]];

interface Named {
  readonly name: string;
  readonly schedule: Schedule;
}

/** @param counts what schedules are solved from, the most steps first */
export async function rank(
  variant: string,
  { trained: { model, config } }: Prepared,
  counts: readonly StepCount[],
  { engine, signal, progress }: Work,
): Promise<Ranking> {
  const schedules = eachOnce([...ofFront(counts), ...simple(counts, model.spec)]);
  const prompts = promptsOf(model.spec);
  const denoiser = await openDenoiser(engine, model, exitsOf(model), false, prompts);
  const drifts = moments(schedules.length);
  try {
    const length = model.spec.channels * model.spec.imageSize ** 2;
    for (let from = 0; from < samples; from += batch) {
      const draw = ({ timesteps, exits }: Pick<Course, 'timesteps' | 'exits'>): Promise<Float32Array> => {
        const trajectory = denoiser.begin();
        return generateBatch(
          {
            ...{ timesteps, length, signal, batch, count: samples, seed: config.seed, clip: false },
            ...{ solver: { kind: 'ddim', eta: 0 }, diffusion: diffusion(config.diffusion) },
            classes: prompts.count,
          },
          from,
          batch,
          (x, t, y, call) => trajectory.predict(exits[call] ?? NaN, { x, t, y, guidance: 1 }),
        );
      };
      const { timesteps } = counts[0]?.options ?? { timesteps: [] };
      const final = (await draw(fullDepth(timesteps, model.spec.depth))).slice();
      const y = labelsFor(from, batch, prompts.count);
      for (const [i, { schedule }] of schedules.entries()) {
        for (const drift of driftsOf(await draw(schedule), { final, y })) drifts.add(i, drift);
        progress.update((from / batch) * schedules.length + i + 1, (samples / batch) * schedules.length, {});
      }
    }
  } finally {
    progress.end();
    await denoiser.dispose();
  }
  const ranked = schedules.map(({ name, schedule }, i) => ({
    ...{ name, steps: schedule.timesteps.length, depthUsed: 1 / placeOf(schedule).speedup },
    ...{ predicted: placeOf(schedule).loss },
    ...{ drift: drifts.mean(i) ?? NaN, standardError: drifts.standardError(i) ?? NaN },
  }));
  return {
    ...{ variant, samples, schedules: ranked },
    rankCorrelation: rankCorrelation(
      ranked.map(({ predicted }) => predicted),
      ranked.map(({ drift }) => drift),
    ),
  };
}

/** Evenly spread along the front; full depth loses nothing, and is no question. */
function ofFront(counts: readonly StepCount[]): Named[] {
  const front = frontOverSteps(counts).filter((schedule) => placeOf(schedule).loss > 0);
  const every = Math.max(1, front.length / points);
  return Array.from(
    { length: Math.min(points, front.length) },
    (_, i) => front[Math.floor(i * every)],
  ).flatMap((schedule) => (schedule ? [{ name: 'front', schedule }] : []));
}

/** What solved schedules have to beat. */
function simple(counts: readonly StepCount[], spec: Parameters<typeof aseSchedule>[1]): Named[] {
  const [most] = counts;
  if (!most) return [];
  const { options } = most;
  const ofForm = speedups.flatMap((speedup) => [
    { name: 'one exit throughout', schedule: uniformSchedule(options, speedup) },
    { name: 'two exits, one switch', schedule: twoLevelSchedule(options, speedup) },
    { name: "ASE's shape", schedule: aseSchedule(options, spec, speedup) },
    { name: 'refreshed every n-th step', schedule: refreshedSchedule(options, speedup) },
  ]);
  return [
    ...ofForm.flatMap(({ name, schedule }) =>
      schedule ? [{ name, schedule: withDrift(schedule, most, counts) }] : [],
    ),
    ...counts.slice(1).map((count) => ({
      name: 'fewer steps',
      schedule: withDrift(fullDepthOf(count.options), count, counts),
    })),
  ].filter(({ schedule }) => placeOf(schedule).loss > 0);
}

function eachOnce(schedules: readonly Named[]): Named[] {
  const keys = schedules.map(({ schedule }) => `${schedule.timesteps.length}: ${schedule.exits.join()}`);
  return schedules.filter((_, i) => keys.indexOf(keys[i] ?? '') === i);
}
