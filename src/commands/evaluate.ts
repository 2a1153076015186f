// exithead evaluate: judges what a bundle draws, beside full depth and all that is cheaper.
import { evaluateBundle, evaluationPath, rehearseEvaluation } from '../bundle/evaluate.js';
import { planEvaluation, schedulesFor, type EvaluationPlan } from '../bundle/evaluationPlan.js';
import { openBundle, type OpenedBundle } from '../bundle/openBundle.js';
import { openBundlePictures } from '../bundle/pictures.js';
import { placeOf } from '../bundle/place.js';
import { dataOf } from '../config/dataOf.js';
import type { Setting } from '../config/layers.js';
import { loadConfig } from '../config/load.js';
import type { EvaluateConfig } from '../config/schema.js';
import { openPrompts } from '../data/openPrompts.js';
import { engineLine } from '../engine/engine.js';
import { UserError } from '../errors.js';
import { modelIn } from '../exits/precision.js';
import { isFolder } from '../files/disk.js';
import { bundlePrecision } from './bundlePrecision.js';
import type { evaluate } from './declarations.js';
import { showEvaluation } from './measured.js';
import { duration } from './progress.js';
import type { Terminal } from './terminal.js';
import { targetOf, type Call, type OptionsOf, type Result } from './verb.js';
import { workOf } from './work.js';

type EvaluateCall = Call<OptionsOf<typeof evaluate>>;

export default async function run(call: EvaluateCall, terminal: Terminal): Promise<Result> {
  const { config } = await loadConfig(call.config, { kind: 'evaluate', set: settingsOf(call) });
  const { backbone, schedule, keep } = call.options;
  const target = targetOf(call);
  const opened = await openBundle(
    target,
    backbone === undefined ? undefined : { path: backbone, weights: 'auto' },
  );
  const data = await dataFor(call, opened, config);
  const { spec } = opened.model;
  const prompts = await openPrompts(spec, data.captions, 'data.captions');
  const { pictures, warning } = await openBundlePictures(target, opened, config.vae);
  if (warning !== undefined) terminal.warn(warning);
  const frozenPrecision = bundlePrecision(opened, config.engine.frozenPrecision, terminal);
  const model = await modelIn(opened.model, frozenPrecision);
  const plan = planEvaluation(opened, model, await schedulesFor(opened, schedule), config);
  for (const line of plan.leftOut) terminal.warn(line);
  showPlan(plan, config, terminal);
  const work = await workOf({ engine: { ...config.engine, frozenPrecision } }, call, terminal, 'evaluate');
  const { engine, signal, say, warn } = work;
  terminal.line(engineLine(engine));
  if (call.dryRun) {
    const rehearsal = await rehearseEvaluation({ opened, plan, config, prompts, engine });
    terminal.line(
      `drawing takes about ${duration(rehearsal.seconds * 1000)}, from one step of full depth that was measured now; nothing was written`,
    );
    const ways = plan.ways.map(({ name, kind, timesteps, exits, macs, depthUsed }) => ({
      ...{ name, kind, timesteps, exits, macs, depthUsed },
    }));
    return { dryRun: true, ...rehearsal, ways };
  }
  const folder = call.out ?? 'evaluation';
  const evaluation = await evaluateBundle({
    ...{ opened, plan, config, data, prompts, pictures, frozenPrecision, engine, signal, say, warn },
    ...{ folder, keep, resume: call.resume, progressOf: (label) => terminal.progress(label) },
  });
  showEvaluation(evaluation, terminal);
  terminal.line(evaluationPath(folder));
  return { file: evaluationPath(folder), ...evaluation };
}

/** Flags that need more than to be put into the config as they are. */
function settingsOf({ set, options: { against, features } }: EvaluateCall): readonly Setting[] {
  return [
    ...set,
    ...(against === undefined
      ? []
      : [{ key: 'evaluate.against', text: `[${against}]`, from: `--against ${against}` }]),
    ...(features === undefined || features === 'digits'
      ? []
      : [{ key: 'evaluate.features', text: JSON.stringify(features), from: `--features ${features}` }]),
  ];
}

/** The data of the config, else those that --data names, else those of the run that the bundle was exported from. */
async function dataFor(
  call: EvaluateCall,
  { bundle }: OpenedBundle,
  { data }: EvaluateConfig,
): Promise<NonNullable<EvaluateConfig['data']>> {
  if (data) return data;
  if (call.options.data !== undefined) return dataOf(call.options.data);
  const run = bundle.run === undefined ? undefined : placeOf(targetOf(call), bundle.run);
  if (run !== undefined && (await isFolder(run))) return dataOf(run);
  throw new UserError(
    `${targetOf(call)} is compared with real images, and ${run === undefined ? 'names no run' : `its run ${run} is not there`}. ` +
      'Name them with --data, a config or a run whose section `data` says where they are, or with --set data.kind=mnist.',
  );
}

function showPlan(
  { ways, guidance }: EvaluationPlan,
  { sample, evaluate, seed }: EvaluateConfig,
  terminal: Terminal,
): void {
  const { samples, seeds } = evaluate;
  const each = ways.reduce((sum, { macs }) => sum + macs, 0);
  terminal.line(
    `${ways.length} ways, each ${samples} images with ${seeds === 1 ? `seed ${seed}` : `seeds ${seed} to ${seed + seeds - 1}`}, ` +
      `${sample.solver}, guidance ${guidance}: ${((each * samples * seeds) / 1e12).toPrecision(3)} T multiply-adds`,
  );
  terminal.table([
    ['way', 'steps', 'depth used'],
    ...ways.map(({ name, timesteps, depthUsed }) => [name, timesteps.length, depthUsed.toFixed(3)]),
  ]);
}
