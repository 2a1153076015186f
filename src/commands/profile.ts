// exithead profile: measures the error of every exit at every time.
import { openData } from '../data/open.js';
import { openPrompts } from '../data/openPrompts.js';
import { diffusion } from '../diffusion/betas.js';
import { errorTablePath } from '../bundle/export.js';
import { engineLine } from '../engine/engine.js';
import { modelIn } from '../exits/precision.js';
import { binName } from '../schedules/timeBins.js';
import { writeErrorTable, type ErrorTable } from '../schedules/errorTable.js';
import { measuredExits, profile } from '../schedules/profile.js';
import { openTrained } from '../training/openTrained.js';
import { profileSensitivity } from './profileSensitivity.js';
import type { profile as declared } from './declarations.js';
import { targetOf, type Call, type OptionsOf, type Result } from './verb.js';
import { workOf } from './work.js';
import type { Terminal } from './terminal.js';

export default async function run(
  call: Call<OptionsOf<typeof declared>>,
  terminal: Terminal,
): Promise<Result> {
  const trained = await openTrained(targetOf(call), call.set);
  if (call.options.sensitivity) return profileSensitivity(trained, call, terminal);
  const { run, config, backbone, heads, model } = trained;
  const { samples, batch, bins } = config.profile;
  const dataset = await openData(config.data, 'test', backbone.spec);
  const prompts = await openPrompts(backbone.spec, config.data.captions, 'data.captions');
  if (call.dryRun) {
    const exits = measuredExits(model);
    const full = exits.at(-1)?.macs ?? NaN;
    terminal.line(
      `${exits.length} exits on ${samples} noisy images of ${dataset.name}, in ${bins} time bins`,
    );
    terminal.line(
      `at least ${((full * samples) / 1e12).toPrecision(3)} T multiply-adds; nothing was written`,
    );
    return { dryRun: true, exits, samples, bins };
  }
  const { engine, signal, progress } = await workOf(config, call, terminal, 'profile');
  terminal.line(engineLine(engine));
  const table = await profile({
    ...{ engine, signal, progress, dataset, prompts, samples, batch, bins },
    model: await modelIn(model, config.engine.frozenPrecision),
    fingerprints: { backbone: backbone.fingerprint, heads: heads.fingerprint },
    diffusion: diffusion(config.diffusion),
    ages: config.heads.memory,
    seed: config.seed,
  });
  const path = errorTablePath(run);
  await writeErrorTable(path, table);
  showTable(table, terminal);
  terminal.line(`error table in ${path}`);
  terminal.line(`next: exithead schedule ${run.path} --speedup ${config.schedule.speedup}`);
  return { errorTable: path, table };
}

/** Excess of every exit, from noise to data, in at most six columns. */
function showTable({ bins, exits, excess }: ErrorTable, terminal: Terminal): void {
  const shown = [...new Set(Array.from({ length: 6 }, (_, i) => Math.round((i * (bins.length - 1)) / 5)))];
  const columns = shown.toReversed();
  terminal.line('excess over full depth, from noise to data');
  terminal.table([
    ['exit', 'head', ...columns.map((bin) => (bins[bin] ? binName(bins[bin]) : ''))],
    ...exits.map(({ exit, kind }, k) => [
      exit,
      kind,
      ...columns.map((bin) => excess.mean[k]?.[bin]?.toExponential(1) ?? '-'),
    ]),
  ]);
}
