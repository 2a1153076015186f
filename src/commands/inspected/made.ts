// What does the user see of what exithead made: heads, tables, schedules, bundles?
import type { HeadPlan } from '../../exits/heads.js';
import type { BundleFacts } from '../../inspect/bundle.js';
import type { CheckpointFacts } from '../../inspect/checkpoint.js';
import type { ErrorTableFacts } from '../../inspect/errorTable.js';
import type { Fit } from '../../inspect/fit.js';
import type { BundleHeadsFacts, HeadsFacts } from '../../inspect/heads.js';
import type { LoraFacts } from '../../inspect/lora.js';
import type { OnnxGraphsFacts } from '../../inspect/onnxGraphs.js';
import type { ScheduleFacts } from '../../inspect/schedule.js';
import type { UncertaintyFacts } from '../../inspect/uncertainty.js';
import { stretchesOf, type Schedule, type Stretch } from '../../schedules/schedule.js';
import type { Terminal } from '../terminal.js';
import { showExits } from './backbone.js';
import { counted, millions, sized, typed, whole } from './numbers.js';
import { specLines } from './spec.js';

export function showHeads(facts: HeadsFacts, terminal: Terminal): void {
  const { path, plans, parameters, dtypes, bytes, fingerprint, backbone, exitRule, fits } = facts;
  terminal.line(`${path} holds ${counted(plans.length, 'exit head')} with ${whole(parameters)} parameters`);
  terminal.line('why: its metadata says so');
  terminal.line(`heads: ${plansTold(plans)}`);
  if (dtypes.length > 0) terminal.line(`types: ${typed(dtypes)}; ${sized(bytes)}`);
  terminal.line(`fingerprint ${fingerprint}`);
  terminal.line(
    `made for the backbone ${backbone}${exitRule === undefined ? '' : `, exit rule ${exitRule}`}`,
  );
  showFits(fits, terminal);
}

export function showBundleHeads(facts: BundleHeadsFacts, terminal: Terminal): void {
  const { path, exits, parameters, dtypes, bytes, fingerprint, backbone } = facts;
  terminal.line(
    `${path} holds the heads of a bundle, ${whole(parameters)} parameters at exits ${exits.join(', ')}`,
  );
  terminal.line(
    'why: all its names are those of heads; which kinds they are says the bundle.json of their folder',
  );
  terminal.line(`types: ${typed(dtypes)}; ${sized(bytes)}`);
  terminal.line(`fingerprint ${fingerprint}`);
  if (backbone !== undefined) terminal.line(`made for the backbone ${backbone}`);
}

export function showUncertainty(facts: UncertaintyFacts, terminal: Terminal): void {
  const { path, plan, parameters, dtypes, bytes, fingerprint, backbone, heads, fits } = facts;
  terminal.line(
    `${path} holds uncertainty heads (${plan.form}) at exits ${plan.exits.join(', ')} with ${whole(parameters)} parameters`,
  );
  terminal.line('why: its metadata says so');
  terminal.line(`types: ${typed(dtypes)}; ${sized(bytes)}`);
  terminal.line(`fingerprint ${fingerprint}`);
  terminal.line(`made for the backbone ${backbone}`);
  terminal.line(`and the heads ${heads}`);
  showFits(fits, terminal);
}

export function showLora(facts: LoraFacts, terminal: Terminal): void {
  const { path, rank, alpha, layers, tables, parameters, dtypes, bytes, backbone, fits } = facts;
  terminal.line(
    `${path} holds additions of rank ${rank} (alpha ${alpha}) to ${counted(layers, 'layer')} with ${whole(parameters)} parameters`,
  );
  terminal.line('why: its metadata says so');
  if (tables.length > 0) terminal.line(`moved whole: ${tables.join(', ')}`);
  terminal.line(`types: ${typed(dtypes)}; ${sized(bytes)}`);
  terminal.line(`added to the backbone ${backbone}; backbone/ of the run is what came of it`);
  showFits(fits, terminal);
}

export function showCheckpoint(facts: CheckpointFacts, terminal: Terminal): void {
  const { path, step, parameters, tensors, bytes, origin, run } = facts;
  terminal.line(`${path} is a training checkpoint after ${counted(step, 'step')}, undamaged`);
  terminal.line('why: its metadata says so');
  terminal.line(
    `${whole(parameters)} weights, with their moments and averages ${counted(tensors, 'tensor')}; ${sized(bytes)}`,
  );
  if (origin !== undefined) terminal.line(`trained on the backbone ${origin}`);
  terminal.line(run === undefined ? 'it lies in no run, so nothing can go on from it' : `of the run ${run}`);
}

export function showOnnxGraphs({ path, bytes, manifest }: OnnxGraphsFacts, terminal: Terminal): void {
  const { backbone, heads, schedule, weights, graphs } = manifest;
  terminal.line(`${path} holds ${counted(graphs.length, 'exit')} of ${backbone.size} as ONNX graphs`);
  terminal.line(
    `why: its manifest says so, and all files are as they were exported; ${sized(bytes)}, of which weights ${sized(weights.bytes)}`,
  );
  terminal.line(`schedule of ${counted(schedule.timesteps.length, 'step')}`);
  terminal.line(`made for the backbone ${backbone.fingerprint}`);
  terminal.line(`and the heads ${heads}`);
  terminal.table([
    ['exit', 'head', 'MMACs', 'file', 'beside x, t and what is asked for', 'beside the prediction'],
    ...graphs.map(({ exit, kind, macs, file, inputs, outputs }) => [
      ...[exit, kind, millions(macs), file],
      inputs.some(({ name }) => name === 'residual') ? 'residual, tFull' : '',
      outputs.flatMap((port) => (port.exit === undefined ? [] : [port.name])).join(', '),
    ]),
  ]);
}

export function showSchedule(facts: ScheduleFacts, terminal: Terminal): void {
  const { path, bytes, schedule, stretches, fits } = facts;
  terminal.line(`${path} is a schedule`);
  terminal.line(`why: its format is ${schedule.format}, and all in it is sound; ${sized(bytes)}`);
  showSteps(schedule, stretches, terminal);
  terminal.line(`made for the backbone ${schedule.backbone}`);
  terminal.line(`and the heads ${schedule.heads}`);
  showFits(fits, terminal);
  showExits(schedule.available, terminal);
}

export function showErrorTable(facts: ErrorTableFacts, terminal: Terminal): void {
  const { path, bytes, backbone, heads, steps, bins, samples, exits, fits } = facts;
  const { binning, guidance, ages } = facts;
  terminal.line(
    `${path} is an error table: ${whole(samples)} samples in ${bins} bins of ${steps} diffusion steps`,
  );
  const details = [
    ...(binning === 'native'
      ? []
      : [`bins by ${binning === 'solver' ? 'the steps of a solver' : 'log-SNR'}`]),
    ...(guidance === 1 ? [] : [`after guidance ${guidance}`]),
    ...(ages ? [`memories up to ${counted(ages.every - 1, 'step')} of ${ages.steps} old`] : []),
  ];
  if (details.length > 0) terminal.line(details.join(', '));
  terminal.line(`why: its format says so, and all in it is sound; ${sized(bytes)}`);
  terminal.line(`made for the backbone ${backbone}`);
  terminal.line(`and the heads ${heads}`);
  showFits(fits, terminal);
  terminal.table([
    ['exit', 'head', 'MMACs', 'error', 'excess'],
    ...exits.map(({ exit, kind, macs, error, excess }) => [
      exit,
      kind,
      millions(macs),
      shortly(error),
      shortly(excess),
    ]),
  ]);
}

export function showBundle(facts: BundleFacts, terminal: Terminal): void {
  const { spec, fingerprint, source, isAtHand, exits, graphs, schedule, stretches, headParameters, bytes } =
    facts;
  terminal.line(
    `a bundle for ${spec.size}, ${isAtHand ? 'with its backbone as it should be' : 'whose backbone is not at hand'}`,
  );
  terminal.line(`why: bundle.json says so, and its parts belong together; ${sized(bytes)}`);
  specLines(spec).forEach((line) => terminal.line(line));
  terminal.line(`backbone ${source}, fingerprint ${fingerprint}`);
  terminal.line(`heads of ${whole(headParameters)} parameters`);
  if (graphs.length > 0) terminal.line(`ONNX graphs of exits ${graphs.join(', ')}`);
  showSteps(schedule, stretches, terminal);
  showExits(exits, terminal);
}

function showSteps(schedule: Schedule, stretches: readonly Stretch[], terminal: Terminal): void {
  terminal.line(
    `schedule of ${counted(schedule.timesteps.length, 'step')}, predicted speed-up ${schedule.predicted.speedup.toFixed(3)}x: ` +
      told(stretches),
  );
  if (schedule.unconditional)
    terminal.line(
      `the half of guidance that asks for nothing: ${told(stretchesOf({ ...schedule, exits: schedule.unconditional }))}`,
    );
  if (schedule.refreshes)
    terminal.line(
      `full depth refreshes what heads remember at ${counted(schedule.refreshes.length, 'step')}`,
    );
}

function told(stretches: readonly Stretch[]): string {
  return stretches.map(({ exit, steps }) => `${steps} x exit ${exit}`).join(', ');
}

export function showFits(fits: readonly Fit[], terminal: Terminal): void {
  for (const { what, place, expected, found } of fits)
    terminal.line(`${expected === found ? 'fits' : 'does not fit'} the ${what} ${place}`);
  if (!fits.some(({ what }) => what === 'backbone'))
    terminal.line('not held against a backbone: give its place with --backbone');
}

/** `2 x adapter (exits 1, 2)` for each kind, and where variances are shared. */
export function plansTold(plans: readonly HeadPlan[]): string {
  const byKind = new Map<string, number[]>();
  for (const plan of plans) {
    const kind = `${plan.kind}${'variance' in plan && plan.variance === 'shared' ? ' with the variance of the backbone' : ''}`;
    byKind.set(kind, [...(byKind.get(kind) ?? []), plan.exit]);
  }
  return [...byKind]
    .map(([kind, exits]) => `${exits.length} x ${kind} (exits ${exits.join(', ')})`)
    .join('; ');
}

function shortly(value: number | null): string {
  return value === null ? 'none' : value.toPrecision(4);
}
