// exithead schedule: solves for the exits that lose least at a speed-up.
import { errorTableOf, schedulePath } from '../bundle/export.js';
import { respace } from '../diffusion/respace.js';
import { UserError } from '../errors.js';
import { stretchesOf, writeSchedule, type Schedule } from '../schedules/schedule.js';
import { solveSchedule, uniformSchedule } from '../schedules/solve.js';
import { openTrained } from '../training/openTrained.js';
import type { Terminal } from './terminal.js';
import { targetOf, type Call, type Result } from './verb.js';

export default async function run(call: Call, terminal: Terminal): Promise<Result> {
  const trained = await openTrained(targetOf(call), call.set);
  const { run, config } = trained;
  const table = await errorTableOf(trained);
  if (!table)
    throw new UserError(`${run.path} has no error-table.json. Run \`exithead profile ${run.path}\` first.`);
  const { speedup, steps, monotone } = config.schedule;
  const options = { table, timesteps: respace(config.diffusion.steps, String(steps)), monotone };
  const schedule = solveSchedule(options, speedup);
  show(schedule, uniformSchedule(options, speedup), terminal);
  if (call.dryRun) terminal.line('Nothing was written.');
  else {
    await writeSchedule(schedulePath(run), schedule);
    terminal.line(`schedule in ${schedulePath(run)}`);
    terminal.line(`next: exithead export ${run.path} --out BUNDLE`);
  }
  return { schedule: schedulePath(run), dryRun: call.dryRun, ...schedule };
}

function show(schedule: Schedule, baseline: Schedule, terminal: Terminal): void {
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
  terminal.line(
    `one exit throughout  ${baseline.predicted.excess.toPrecision(3)} at exit ${baseline.exits[0]}, ${baseline.predicted.speedup.toFixed(3)}x`,
  );
}
