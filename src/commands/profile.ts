// exithead profile: measures the error of every exit at every time.
import { errorTablePath } from '../bundle/export.js';
import { errorPartPath, mergeShards, profileBins, profileRun, profileShard } from '../bundle/profileRun.js';
import { openData } from '../data/open.js';
import { engineLine } from '../engine/engine.js';
import { UserError } from '../errors.js';
import { remembers } from '../exits/heads.js';
import { writeFileAtomic } from '../files/write.js';
import { errorHeatMap } from '../report/plots/errorHeatMap.js';
import { standalone } from '../report/standalone.js';
import type { ErrorTable } from '../schedules/errorTable.js';
import type { Shard } from '../schedules/heldOut.js';
import { measuredExits } from '../schedules/profile.js';
import { nameOfShown, shownFirst, statisticOf, type Shown } from '../schedules/shownErrors.js';
import { binName } from '../schedules/timeBins.js';
import { openTrained, type Trained } from '../training/openTrained.js';
import type { profile as declared } from './declarations.js';
import { profileSensitivity } from './profileSensitivity.js';
import { profileTrajectories } from './profileTrajectories.js';
import type { Terminal } from './terminal.js';
import { targetOf, type Call, type OptionsOf, type Result } from './verb.js';
import { workOf } from './work.js';

export default async function run(
  call: Call<OptionsOf<typeof declared>>,
  terminal: Terminal,
): Promise<Result> {
  const { sensitivity, trajectories, merge, shard: asked } = call.options;
  const trained = await openTrained(targetOf(call), call.set);
  const modes = {
    ...{ '--shard': asked !== undefined, '--merge': merge },
    ...{ '--sensitivity': sensitivity, '--trajectories': trajectories },
  };
  const chosen = Object.entries(modes).flatMap(([name, isChosen]) => (isChosen ? [name] : []));
  if (chosen.length > 1) throw new UserError(`${chosen.join(' and ')} do different work. Give one of them.`);
  refuseUnread(call);
  if (sensitivity) return profileSensitivity(trained, call, terminal);
  if (trajectories) return profileTrajectories(trained, call, terminal);
  const shard = asked === undefined ? undefined : shardOf(asked);
  if (call.dryRun) return rehearse(trained, shard, terminal);
  if (merge) return shown(trained, await mergeShards(trained), call, terminal);

  const work = await workOf(trained.config, call, terminal, 'profile');
  terminal.line(engineLine(work.engine));
  const { resume } = call;
  if (!shard) return shown(trained, await profileRun(trained, work, { resume }), call, terminal);
  const part = await profileShard(trained, work, { shard, resume });
  const path = errorPartPath(trained.run, shard);
  terminal.line(`part ${asked} of the error table in ${path}`);
  terminal.line(`when all are measured: exithead profile ${trained.run.path} --merge`);
  return { part: path, batches: part.batches, done: part.done };
}

/** @throws UserError for an option that means nothing beside the others */
function refuseUnread({ resume, dryRun, options }: Call<OptionsOf<typeof declared>>): void {
  const { sensitivity, trajectories, merge, shard, show, in: kind } = options;
  const isTable = !sensitivity && !trajectories;
  const isShown = isTable && shard === undefined;
  const onlyShown = 'only an error table is shown';
  const unread = [
    ['--resume', resume && merge, 'merging measures nothing'],
    ['--show', show !== undefined && !isShown, onlyShown],
    ['--in', kind !== undefined && !isShown, onlyShown],
    ['--dry-run', dryRun && merge, 'merging measures nothing'],
  ] as const;
  for (const [name, isUnread, why] of unread)
    if (isUnread) throw new UserError(`${name} means nothing here: ${why}. Leave it out.`);
}

/** @throws UserError unless the text is i/n with 1 <= i <= n */
function shardOf(text: string): Shard {
  const [, index = 0, of = 0] = (/^(\d+)\/(\d+)$/.exec(text) ?? []).map(Number);
  if (index >= 1 && index <= of && of <= 10_000) return { index, of };
  throw new UserError(`--shard is ${text}, expected i/n such as 2/4, with i from 1 to n.`);
}

async function rehearse(trained: Trained, shard: Shard | undefined, terminal: Terminal): Promise<Result> {
  const { config, backbone, model } = trained;
  const samples = Math.ceil(config.profile.samples / (shard?.of ?? 1));
  const dataset = await openData(config.data, 'test', backbone.spec);
  const exits = measuredExits(model);
  const bins = profileBins(config).length;
  // Exits that remember need the full-depth step before, and guidance runs both twice.
  const passes =
    (model.plans.some(({ kind }) => remembers(kind)) ? 2 : 1) * (config.profile.guidance === 1 ? 1 : 2);
  const macs = (exits.at(-1)?.macs ?? NaN) * samples * passes;
  terminal.line(`${exits.length} exits on ${samples} noisy images of ${dataset.name}, in ${bins} time bins`);
  terminal.line(`at least ${(macs / 1e12).toPrecision(3)} T multiply-adds; nothing was written`);
  return { dryRun: true, exits, samples, bins, macs };
}

/** Prints and draws a table. */
async function shown(
  { run, config }: Trained,
  table: ErrorTable,
  { options }: Call<OptionsOf<typeof declared>>,
  terminal: Terminal,
): Promise<Result> {
  const wanted = { errors: options.show ?? shownFirst.errors, kind: options.in ?? shownFirst.kind };
  const path = errorTablePath(run);
  const picture = path.replace(/\.json$/, '.svg');
  await writeFileAtomic(picture, standalone(errorHeatMap(table, 'wide', wanted)));
  showTable(table, wanted, terminal);
  const { guidance } = config.sample;
  if (guidance !== (table.guidance ?? 1))
    terminal.line(
      `note: samples are drawn with guidance ${guidance}; --set profile.guidance=${guidance} measures errors after it`,
    );
  terminal.line(`error table in ${path}, a picture of it in ${picture}`);
  terminal.line(`next: exithead schedule ${run.path} --speedup ${config.schedule.speedup}`);
  return { errorTable: path, picture, table };
}

/** One kind of error of every exit, from noise to data, in at most six columns. */
function showTable(table: ErrorTable, wanted: Shown, terminal: Terminal): void {
  const { bins, exits } = table;
  const { mean } = statisticOf(table, wanted);
  const shown = [...new Set(Array.from({ length: 6 }, (_, i) => Math.round((i * (bins.length - 1)) / 5)))];
  const columns = shown.toReversed();
  terminal.line(`${nameOfShown(table, wanted)}, from noise to data`);
  terminal.table([
    ['exit', 'head', ...columns.map((bin) => (bins[bin] ? binName(bins[bin]) : ''))],
    ...exits.map(({ exit, kind }, k) => [
      exit,
      kind,
      ...columns.map((bin) => mean[k]?.[bin]?.toExponential(1) ?? '-'),
    ]),
  ]);
  const samples = table.count.reduce((sum, count) => sum + count, 0);
  terminal.line(`${samples} samples; largest standard error ${worst(table, wanted)} of the mean`);
}

/** '3.1 %': the largest standard error beside its mean, of all early exits. */
function worst(table: ErrorTable, wanted: Shown): string {
  const { mean, standardError } = statisticOf(table, wanted);
  const shares = mean
    .slice(0, -1)
    .flatMap((row, i) => row.map((value, bin) => (standardError[i]?.[bin] ?? NaN) / (value ?? NaN)))
    .filter(Number.isFinite);
  return shares.length === 0 ? '-' : `${(100 * Math.max(...shares)).toPrecision(2)} %`;
}
