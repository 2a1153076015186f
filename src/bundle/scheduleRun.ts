// From what is a run's schedule solved? What was measured of it, and what its config asks for.
import { openPrompts } from '../data/openPrompts.js';
import { diffusion } from '../diffusion/betas.js';
import { respace } from '../diffusion/respace.js';
import { unreachable, UserError } from '../errors.js';
import { modelIn } from '../exits/precision.js';
import { isFile } from '../files/disk.js';
import { everyNthStep } from '../schedules/everyNth.js';
import { exitSeconds } from '../schedules/exitSeconds.js';
import type { SolveOptions } from '../schedules/options.js';
import { solveOverSteps, type StepCount } from '../schedules/overSteps.js';
import type { MeasuredCosts, Schedule } from '../schedules/schedule.js';
import { readSensitivity, requireMeasuredOn, type Sensitivity } from '../schedules/sensitivity.js';
import { trainedSchedule } from '../schedules/solve.js';
import { closedFormWeights, sensitivityAt, trajectoryWeights } from '../schedules/stepWeights.js';
import { readTrajectories, requireTrajectoriesOf, type Trajectories } from '../schedules/trajectories.js';
import { exitsTrained } from '../training/finetune.js';
import type { Work } from '../training/fit.js';
import type { Trained } from '../training/openTrained.js';
import { errorTableOf, sensitivityPath, trajectoriesPath } from './export.js';

/** Often enough for a median that one disturbance does not move. */
const rounds = 9;

/**
 * The numbers of steps to choose among, the most first.
 * @param measured seconds of the exits, where those are to be saved
 * @throws UserError if something was not measured, or of other heads
 */
export async function stepCountsOf(trained: Trained, measured?: MeasuredCosts): Promise<StepCount[]> {
  const { run, config } = trained;
  const table = await errorTableOf(trained);
  if (!table)
    throw new UserError(`${run.path} has no error-table.json. Run \`exithead profile ${run.path}\` first.`);
  const { steps, exits, monotone, minRun, maxExits, halves } = config.schedule;
  const known = table.exits.map(({ exit }) => exit);
  const unknown = exits?.find((exit) => !known.includes(exit));
  if (unknown !== undefined)
    throw new UserError(
      `schedule.exits has ${unknown}, which has no head in ${run.path}; the exits are ${known.join(', ')}.`,
    );
  const process = diffusion(config.diffusion);
  const weigh = await weightsFor(trained);
  const counts = [...new Set([steps].flat())].toSorted((a, b) => b - a);
  const drifts = counts.length > 1 ? await driftsOf(trained) : undefined;
  return counts.map((count): StepCount => {
    const timesteps = respace(config.diffusion.steps, String(count));
    const weights = weigh?.(timesteps);
    const options: SolveOptions = {
      ...{ table, timesteps, monotone, minRun, diffusion: process },
      ...(weights && { weights }),
      ...(maxExits !== undefined && { maxExits }),
      ...(exits && { exits }),
      ...(halves === 'separate' && { halves: { guidance: config.sample.guidance } }),
      ...(measured && { measured }),
    };
    return { options, drift: drifts?.(count) };
  });
}

/**
 * The schedule that `schedule.rule` asks for.
 * @param counts the numbers of steps to choose among (`stepCountsOf`)
 * @param options bySpeed: by `schedule.speedup`, even where `schedule.maxExcess` is set
 * @throws UserError if it is out of reach, or the rule does not fit how the run was trained
 */
export async function scheduleByRule(
  trained: Trained,
  counts: readonly StepCount[],
  { bySpeed = false }: { readonly bySpeed?: boolean } = {},
): Promise<Schedule> {
  const { run, config, backbone } = trained;
  const { rule, speedup, maxExcess } = config.schedule;
  const [most] = counts;
  if (!most) throw new Error('a schedule has some number of steps');
  switch (rule) {
    case 'solved':
      return withWeights(
        solveOverSteps(counts, maxExcess === undefined || bySpeed ? { speedup } : { maxExcess }),
        trained,
      );
    case 'refreshed':
      if (maxExcess !== undefined && !bySpeed)
        throw new UserError(
          'schedule.maxExcess asks for the cheapest schedule, but schedule.rule is refreshed, which goes by schedule.speedup. Leave one of them out.',
        );
      return withWeights(everyNthStep(counts, speedup), trained);
    case 'trained':
      if (config.mode === 'frozen')
        throw new UserError(
          `schedule.rule is trained, but ${run.path} was trained in mode frozen, where every exit learns all times. Leave schedule.rule out.`,
        );
      return withWeights(
        trainedSchedule(most.options, await exitsTrained(config, backbone.spec, run.path)),
        trained,
      );
    default:
      return unreachable(rule);
  }
}

/** Says where the weights came from, for whoever reads the file. */
export function withWeights(schedule: Schedule, { config }: Pick<Trained, 'config'>): Schedule {
  const { weights } = config.schedule;
  return weights === 'uniform' ? schedule : { ...schedule, asked: { ...schedule.asked, weights } };
}

/** What schedule.weights says of any steps; undefined where all count alike. */
async function weightsFor(
  trained: Trained,
): Promise<((timesteps: readonly number[]) => number[]) | undefined> {
  const { weights } = trained.config.schedule;
  const process = diffusion(trained.config.diffusion);
  switch (weights) {
    case 'uniform':
      return undefined;
    case 'closed-form':
      return (timesteps) => closedFormWeights(process, timesteps);
    case 'trajectories': {
      const trajectories = await trajectoriesOf(trained, 'schedule.weights is trajectories');
      return (timesteps) => trajectoryWeights(trajectories, process, timesteps);
    }
    case 'sensitivity': {
      const sensitivity = await sensitivityOf(trained);
      return (timesteps) => sensitivityAt(sensitivity, process, timesteps);
    }
    default:
      return unreachable(weights);
  }
}

async function sensitivityOf({ run, config, backbone }: Trained): Promise<Sensitivity> {
  const path = sensitivityPath(run);
  if (!(await isFile(path)))
    throw new UserError(
      `${run.path} has no sensitivity.json. Run \`exithead profile ${run.path} --sensitivity\` first.`,
    );
  const sensitivity = await readSensitivity(path);
  requireMeasuredOn(sensitivity, path, { backbone: backbone.fingerprint, steps: config.diffusion.steps });
  return sensitivity;
}

/** What so many steps at full depth lose. @throws UserError if that was not measured */
async function driftsOf(trained: Trained): Promise<(count: number) => number> {
  const found = (await trajectoriesOf(trained, 'schedule.steps is a list')).steps;
  return (count) => {
    const at = found.find(({ steps }) => steps === count);
    if (!at)
      throw new UserError(
        `${trajectoriesPath(trained.run)} says nothing of ${count} steps, only of ${found.map(({ steps }) => steps).join(', ')}. ` +
          `Run \`exithead profile ${trained.run.path} --trajectories\` with the same schedule.steps.`,
      );
    return at.drift;
  };
}

/** @param why it is needed. @throws UserError if it was not measured, or of other heads */
async function trajectoriesOf({ run, config, backbone, heads }: Trained, why: string): Promise<Trajectories> {
  const path = trajectoriesPath(run);
  if (!(await isFile(path)))
    throw new UserError(
      `${why}, but ${run.path} has no trajectories.json, which says what exits and fewer steps do to samples. ` +
        `Run \`exithead profile ${run.path} --trajectories\` with the same schedule.steps first.`,
    );
  const trajectories = await readTrajectories(path);
  requireTrajectoriesOf(trajectories, path, {
    ...{ backbone: backbone.fingerprint, heads: heads.fingerprint },
    steps: config.diffusion.steps,
  });
  return trajectories;
}

/** Seconds of every exit of a run, as its config samples. @throws Interrupted after the signal */
export async function secondsOf(
  trained: Trained,
  { engine, signal, progress }: Work,
): Promise<MeasuredCosts> {
  const { model, config, backbone } = trained;
  return exitSeconds({
    ...{ engine, rounds, signal, progress },
    model: await modelIn(model, config.engine.frozenPrecision),
    batch: config.sample.batch,
    // Halves that leave apart are two plain passes.
    guidance: config.schedule.halves === 'separate' ? 1 : config.sample.guidance,
    prompts: await openPrompts(backbone.spec, config.data.captions, 'data.captions'),
  });
}
