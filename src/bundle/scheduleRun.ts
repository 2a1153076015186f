// From what is a run's schedule solved? What was measured of it, and what its config asks for.
import { openPrompts } from '../data/openPrompts.js';
import { diffusion } from '../diffusion/betas.js';
import { respace } from '../diffusion/respace.js';
import { unreachable, UserError } from '../errors.js';
import { modelIn } from '../exits/precision.js';
import { isFile } from '../files/disk.js';
import { exitSeconds } from '../schedules/exitSeconds.js';
import type { SolveOptions } from '../schedules/options.js';
import type { StepCount } from '../schedules/overSteps.js';
import type { MeasuredCosts } from '../schedules/schedule.js';
import { readSensitivity, requireMeasuredOn, type Sensitivity } from '../schedules/sensitivity.js';
import { closedFormWeights, sensitivityAt } from '../schedules/stepWeights.js';
import { readTrajectories, requireTrajectoriesOf } from '../schedules/trajectories.js';
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
async function driftsOf({ run, config, backbone, heads }: Trained): Promise<(count: number) => number> {
  const path = trajectoriesPath(run);
  const remedy = `Run \`exithead profile ${run.path} --trajectories\` with the same schedule.steps.`;
  if (!(await isFile(path)))
    throw new UserError(
      `${run.path} has no trajectories.json, which says what fewer steps lose. ${remedy} Or set schedule.steps to one number.`,
    );
  const trajectories = await readTrajectories(path);
  requireTrajectoriesOf(trajectories, path, {
    ...{ backbone: backbone.fingerprint, heads: heads.fingerprint },
    steps: config.diffusion.steps,
  });
  const found = trajectories.steps;
  return (count) => {
    const at = found.find(({ steps }) => steps === count);
    if (!at)
      throw new UserError(
        `${path} says nothing of ${count} steps, only of ${found.map(({ steps }) => steps).join(', ')}. ${remedy}`,
      );
    return at.drift;
  };
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
