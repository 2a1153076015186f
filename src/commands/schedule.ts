// exithead schedule: solves for the exits that lose least at a speed-up, or the cheapest that lose little.
import { join } from 'node:path';
import { schedulePath } from '../bundle/export.js';
import { scheduleByRule, secondsOf, stepCountsOf, withWeights } from '../bundle/scheduleRun.js';
import { engineLine } from '../engine/engine.js';
import { Interrupted, unreachable, UserError } from '../errors.js';
import { partOf } from '../exits/guided.js';
import {
  aseSchedule,
  fullDepthOf,
  refreshedSchedule,
  twoLevelSchedule,
  uniformSchedule,
} from '../schedules/baselines.js';
import {
  countsOfSchedule,
  readBlockCounts,
  scheduleOfCounts,
  writeBlockCounts,
} from '../schedules/blockCounts.js';
import { pointOf, writeFront, type FrontPoint } from '../schedules/frontFile.js';
import { frontOverSteps, withDrift, type StepCount } from '../schedules/overSteps.js';
import { stretchesOf, writeSchedule, type MeasuredCosts, type Schedule } from '../schedules/schedule.js';
import { openTrained, type Trained } from '../training/openTrained.js';
import type { schedule as declaration } from './declarations.js';
import { refinedSchedule, type Refinement } from './scheduleRefine.js';
import { showFront } from './measured.js';
import type { Terminal } from './terminal.js';
import { targetOf, type Call, type OptionsOf, type Result } from './verb.js';
import { workOf } from './work.js';

type ScheduleCall = Call<OptionsOf<typeof declaration>>;

export default async function run(call: ScheduleCall, terminal: Terminal): Promise<Result> {
  const trained = await openTrained(targetOf(call), call.set);
  const { run, backbone, config } = trained;
  requireOneAnswer(call);
  const guided = partOf(config.sample);
  if (guided)
    terminal.warn(
      `a step takes two passes from native t ${guided.join(' to ')} alone, and the schedule counts all steps alike; ` +
        '`exithead sample BUNDLE --dry-run` says what it uses of full depth.',
    );
  const counts = await stepCountsOf(trained, await measuredOf(trained, call, terminal));
  const solved = await chosen(trained, counts, call);
  const { to } = call.options;
  // A list that cannot say it is refused before anything is drawn.
  if (to !== undefined) countsOfSchedule(solved, to);
  const { schedule, search, isStopped }: Refinement = call.options.refine
    ? await refinedSchedule(trained, counts, solved, call, terminal)
    : { schedule: solved };
  const baselines = baselinesOf(counts, schedule, trained);
  show(schedule, baselines, terminal);
  const front = call.options.front ? frontOverSteps(counts).map((one) => pointOf(one, 'solved')) : undefined;
  if (front) showFront(front, terminal);
  const lists = to === undefined ? undefined : countsOfSchedule(schedule, to);
  if (lists && lists.deeper > 0)
    terminal.warn(
      `${lists.deeper} of ${schedule.timesteps.length} steps run deeper by the list than by the schedule: it has one count for each tenth of the diffusion.`,
    );
  if (call.dryRun) terminal.line('Nothing was written.');
  else {
    await writeSchedule(schedulePath(run), schedule);
    terminal.line(`schedule in ${schedulePath(run)}`);
    if (front) {
      const path = join(run.path, 'front.json');
      await writeFront(path, {
        ...{ format: 'exithead-front', version: 1, front, baselines },
        ...{ backbone: backbone.fingerprint, heads: schedule.heads, cost: config.schedule.cost },
      });
      terminal.line(`front of ${front.length} schedules in ${path}`);
    }
    if (to !== undefined && lists) {
      await writeBlockCounts(to, lists.counts);
      terminal.line(`block counts [${lists.counts.join(', ')}] in ${to}`);
    }
    if (isStopped)
      throw new Interrupted(
        `stopped while refining; the best schedule until then is in ${schedulePath(run)}.`,
      );
    terminal.line(`next: exithead export ${run.path} --out BUNDLE`);
  }
  return {
    ...{ schedule: schedulePath(run), dryRun: call.dryRun, ...schedule, baselines },
    ...(search && { search }),
    ...(front && { front }),
    ...(lists && { blockCounts: lists.counts }),
  };
}

/** @throws UserError if the exits are given, and something is asked of them all the same */
function requireOneAnswer({ set, options: { from } }: ScheduleCall): void {
  const aims = set.filter(({ key }) => key === 'schedule.speedup' || key === 'schedule.maxExcess');
  if (aims.length > 1)
    throw new UserError(
      `${aims.map((aim) => aim.from).join(' and ')} ask for different schedules: the best at a speed-up, and the cheapest at an excess. Keep one of them.`,
    );
  if (from !== undefined && aims[0])
    throw new UserError(
      `${aims[0].from} asks for a schedule, but --from ${from} gives one. Leave one of them out.`,
    );
}

/** Seconds of the exits, where those are to be saved. */
async function measuredOf(
  trained: Trained,
  call: ScheduleCall,
  terminal: Terminal,
): Promise<MeasuredCosts | undefined> {
  const { cost } = trained.config.schedule;
  switch (cost) {
    case 'macs':
      return undefined;
    case 'seconds': {
      const work = await workOf(trained.config, call, terminal, 'seconds');
      terminal.line(engineLine(work.engine));
      return secondsOf(trained, work);
    }
    default:
      return unreachable(cost);
  }
}

/** The schedule that was asked for: given, or by the rule of the config. */
async function chosen(trained: Trained, counts: readonly StepCount[], call: ScheduleCall): Promise<Schedule> {
  const { from } = call.options;
  const [most] = counts;
  if (from !== undefined && most)
    return withWeights(scheduleOfCounts(most.options, await readBlockCounts(from), from), trained);
  const aim = call.set.find(({ key }) => key === 'schedule.speedup' || key === 'schedule.maxExcess');
  if (trained.config.schedule.rule === 'trained' && aim)
    throw new UserError(
      `${aim.from} asks for a speed-up, but schedule.rule is trained, whose exits are what they are. Leave one of them out.`,
    );
  return scheduleByRule(trained, counts, { bySpeed: aim?.key === 'schedule.speedup' });
}

/** The best simple schedules that cost no more, in the order of what they lose. */
function baselinesOf(counts: readonly StepCount[], schedule: Schedule, { backbone }: Trained): FrontPoint[] {
  const count =
    counts.find(({ options }) => options.timesteps.length === schedule.timesteps.length) ?? counts[0];
  if (!count) return [];
  const { options } = count;
  const { predicted } = schedule;
  const speedup = Math.max(
    1,
    predicted.secondsUsed === undefined ? predicted.speedup : 1 / predicted.secondsUsed,
  );
  const named: (readonly [string, Schedule | undefined])[] = [
    ['one exit throughout', uniformSchedule(options, speedup)],
    ['two exits, one switch', twoLevelSchedule(options, speedup)],
    ["ASE's shape", aseSchedule(options, backbone.spec, speedup)],
    ['refreshed every n-th step', refreshedSchedule(options, speedup)],
  ];
  const within = named.flatMap(([name, one]) => (one ? [pointOf(withDrift(one, count, counts), name)] : []));
  const fewer = counts
    .slice(1)
    .map((one) =>
      pointOf(
        withDrift(fullDepthOf(one.options), one, counts),
        `full depth, ${one.options.timesteps.length} steps`,
      ),
    )
    .filter((point) => point.speedup >= pointOf(schedule, '').speedup * (1 - 1e-9))
    .slice(0, 1);
  return [...within, ...fewer].toSorted((a, b) => a.loss - b.loss);
}

function show(schedule: Schedule, baselines: readonly FrontPoint[], terminal: Terminal): void {
  const { unconditional, predicted, measured } = schedule;
  const halves = unconditional && stretchesOf({ ...schedule, exits: unconditional });
  terminal.table([
    ['native t', 'steps', 'exit'],
    ...stretchesOf(schedule).map(({ from, to, steps, exit }) => [
      from === to ? `${from}` : `${from} to ${to}`,
      steps,
      exit,
    ]),
  ]);
  if (halves) {
    terminal.line('and of the half that asks for nothing:');
    terminal.table(
      halves.map(({ from, to, steps, exit }) => [from === to ? `${from}` : `${from} to ${to}`, steps, exit]),
    );
  }
  const { speedup, depthUsed, excess, excessStandardError, secondsUsed, fewer } = predicted;
  terminal.line(
    `predicted speed-up   ${speedup.toFixed(3)}x (${(100 * depthUsed).toFixed(1)}% of full depth, heads included)`,
  );
  if (measured && secondsUsed !== undefined)
    terminal.line(
      `in seconds           ${(1 / secondsUsed).toFixed(3)}x, as the engine ${measured.engine} takes them here`,
    );
  terminal.line(
    `summed excess        ${excess.toPrecision(3)} (standard error at most ${excessStandardError.toPrecision(2)})`,
  );
  if (fewer)
    terminal.line(
      `with fewer steps     ${fewer.speedup.toFixed(3)}x over full depth at ${fewer.of} steps; drift ${fewer.drift.toPrecision(3)} of so few, ${fewer.loss.toPrecision(3)} with the excess`,
    );
  for (const { name, loss, speedup: of, exits } of baselines) {
    const one = new Set(exits).size === 1 ? ` at exit ${exits[0]}` : '';
    terminal.line(`${name.padEnd(20)} ${loss.toPrecision(3)}${one}, ${of.toFixed(3)}x`);
  }
}
