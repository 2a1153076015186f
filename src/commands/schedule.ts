// exithead schedule: solves for the exits that lose least at a speed-up.
import { errorTableOf, schedulePath, sensitivityPath } from '../bundle/export.js';
import { respace } from '../diffusion/respace.js';
import { unreachable, UserError } from '../errors.js';
import { isFile } from '../files/disk.js';
import { stretchesOf, writeSchedule, type Schedule } from '../schedules/schedule.js';
import { uniformSchedule } from '../schedules/baselines.js';
import { solveSchedule, trainedSchedule } from '../schedules/solve.js';
import { readSensitivity, requireMeasuredOn, sensitivityAt } from '../schedules/sensitivity.js';
import { exitsTrained } from '../training/finetune.js';
import { openTrained, type Trained } from '../training/openTrained.js';
import type { Terminal } from './terminal.js';
import { targetOf, type Call, type Result } from './verb.js';

export default async function run(call: Call, terminal: Terminal): Promise<Result> {
  const trained = await openTrained(targetOf(call), call.set);
  const { run, config } = trained;
  const table = await errorTableOf(trained);
  if (!table)
    throw new UserError(`${run.path} has no error-table.json. Run \`exithead profile ${run.path}\` first.`);
  const { speedup, steps, monotone } = config.schedule;
  const timesteps = respace(config.diffusion.steps, String(steps));
  const weights = await weightsAt(trained, timesteps);
  const options = { table, timesteps, monotone, ...(weights && { weights }) };
  const trainedAt = await trainedExits(trained, call);
  const schedule = trainedAt ? trainedSchedule(options, trainedAt) : solveSchedule(options, speedup);
  const single = uniformSchedule(options, schedule.asked.speedup);
  show(schedule, single, terminal);
  if (call.dryRun) terminal.line('Nothing was written.');
  else {
    await writeSchedule(schedulePath(run), schedule);
    terminal.line(`schedule in ${schedulePath(run)}`);
    terminal.line(`next: exithead export ${run.path} --out BUNDLE`);
  }
  return { schedule: schedulePath(run), dryRun: call.dryRun, ...schedule };
}

/** By native t, [T]; undefined where they are to be solved for. @throws UserError where none were trained, or more is asked */
async function trainedExits(
  { run, config, backbone }: Trained,
  { set }: Call,
): Promise<Float32Array | undefined> {
  const { rule } = config.schedule;
  switch (rule) {
    case 'solved':
      return undefined;
    case 'trained': {
      if (config.mode === 'frozen')
        throw new UserError(
          `schedule.rule is trained, but ${run.path} was trained in mode frozen, where every exit learns all times. Leave schedule.rule out.`,
        );
      const asked = set.find(({ key }) => key === 'schedule.speedup');
      if (asked)
        throw new UserError(
          `${asked.from} asks for a speed-up, but schedule.rule is trained, whose exits are what they are. Leave one of them out.`,
        );
      return exitsTrained(config, backbone.spec);
    }
    default:
      return unreachable(rule);
  }
}

/** What schedule.weights says; undefined where all count alike. */
async function weightsAt(
  { run, config, backbone }: Trained,
  timesteps: readonly number[],
): Promise<readonly number[] | undefined> {
  switch (config.schedule.weights) {
    case 'uniform':
      return undefined;
    case 'sensitivity': {
      const path = sensitivityPath(run);
      if (!(await isFile(path)))
        throw new UserError(
          `${run.path} has no sensitivity.json. Run \`exithead profile ${run.path} --sensitivity\` first.`,
        );
      const sensitivity = await readSensitivity(path);
      requireMeasuredOn(sensitivity, path, { backbone: backbone.fingerprint, steps: config.diffusion.steps });
      return sensitivityAt(sensitivity, timesteps);
    }
    default:
      return unreachable(config.schedule.weights);
  }
}

function show(schedule: Schedule, baseline: Schedule | undefined, terminal: Terminal): void {
  terminal.table([
    ['native t', 'steps', 'exit'],
    ...stretchesOf(schedule).map(({ from, to, steps, exit }) => [
      from === to ? `${from}` : `${from} to ${to}`,
      steps,
      exit,
    ]),
  ]);
  const { speedup, depthUsed, excess, excessStandardError } = schedule.predicted;
  terminal.line(
    `predicted speed-up   ${speedup.toFixed(3)}x (${(100 * depthUsed).toFixed(1)}% of full depth, heads included)`,
  );
  terminal.line(
    `summed excess        ${excess.toPrecision(3)} (standard error at most ${excessStandardError.toPrecision(2)})`,
  );
  if (baseline)
    terminal.line(
      `one exit throughout  ${baseline.predicted.excess.toPrecision(3)} at exit ${baseline.exits[0]}, ${baseline.predicted.speedup.toFixed(3)}x`,
    );
}
