// exithead sample: draws images with a bundle.
import { readJudges } from '../bundle/bundle.js';
import { draw, planDrawing, type Drawing, type DrawPlan, type PerSampleRule } from '../bundle/draw.js';
import { openBundle, type OpenedBundle } from '../bundle/openBundle.js';
import { openBundlePictures } from '../bundle/pictures.js';
import { saveDrawing, type Saved } from '../bundle/save.js';
import { loadConfig } from '../config/load.js';
import { openPrompts } from '../data/openPrompts.js';
import { engineLine } from '../engine/engine.js';
import { unreachable, UserError } from '../errors.js';
import { requireWritable } from '../files/disk.js';
import { thresholdWithin } from '../schedules/calibrationFile.js';
import { outsideProfile } from '../schedules/outside.js';
import { drift, type Drawn } from '../samplers/compare.js';
import type { Pictures } from '../vae/pictures.js';
import { bundlePrecision } from './bundlePrecision.js';
import type { sample } from './declarations.js';
import type { Terminal } from './terminal.js';
import { targetOf, type Call, type OptionsOf, type Result } from './verb.js';
import { workOf } from './work.js';

export default async function run(call: Call<OptionsOf<typeof sample>>, terminal: Terminal): Promise<Result> {
  const { config } = await loadConfig(call.config, { kind: 'sample', set: call.set });
  const { backbone, captions, compare } = call.options;
  const opened = await openBundle(
    targetOf(call),
    backbone === undefined ? undefined : { path: backbone, weights: 'auto' },
  );
  const { pictures, warning } = await openBundlePictures(
    targetOf(call),
    opened,
    call.options.latents ? 'latents' : config.vae,
  );
  if (warning !== undefined) terminal.warn(warning);
  const prompts = await openPrompts(opened.model.spec, captions, '--captions');
  const plan = planDrawing(opened, config.sample);
  for (const warning of outsideProfile(opened.bundle.schedule, plan)) terminal.warn(warning);
  const perSample = await perSampleRule(targetOf(call), opened, call.options);
  const frozenPrecision = bundlePrecision(opened, config.engine.frozenPrecision, terminal);
  const precision = frozenPrecision === 'fp32' ? '' : `, backbone in ${frozenPrecision}`;
  terminal.line(
    `${config.sample.count} images, ${config.sample.solver}, ${stepsOf(plan)}, guidance ${plan.guidance}: ${costOf(plan, perSample)}${precision}`,
  );
  const { spec } = opened.model;
  const becomes = told(pictures, spec);
  if (becomes.line !== '') terminal.line(becomes.line);
  if (call.dryRun) {
    terminal.line('Nothing was written.');
    return { dryRun: true, ...planned(plan, perSample), frozenPrecision, pictures: becomes.json };
  }
  const folder = call.out ?? 'samples';
  // Hours of drawing must not end at a folder that nobody may write to.
  await requireWritable(folder);
  const { engine, signal, progress } = await workOf(
    { engine: { ...config.engine, frozenPrecision } },
    call,
    terminal,
    'sample',
  );
  terminal.line(engineLine(engine));
  const { seed, sample: settings } = config;
  const drawing = await draw(opened, {
    ...{ engine, config: settings, seed, prompts, compare, perSample, frozenPrecision, signal, progress },
  });
  const saved = await saveDrawing(folder, drawing, {
    ...{ engine, spec, pictures, signal, columns: settings.columns },
    progress: () => terminal.progress('decode'),
  });
  const result = show(drawing, saved, pictures.kind === 'pixels', terminal);
  if (pictures.kind === 'latents' && !call.options.latents)
    terminal.line(
      `a picture has 1 or 3 channels, and these have ${spec.channels}: give the autoencoder that they are of with --vae`,
    );
  if (drawing.left) {
    const left = [...drawing.left].sort(([a], [b]) => a - b);
    terminal.line(`samples left ${left.map(([exit, times]) => `${times} times at exit ${exit}`).join(', ')}`);
  }
  const { files } = saved;
  return { files, labels: [...drawing.labels], frozenPrecision, pictures: becomes.json, ...result };
}

/** What is known of the cost beforehand: samples that leave by themselves say nothing of it. */
function costOf({ macs, depthUsed }: DrawPlan, perSample: PerSampleRule | undefined): string {
  const inT = (of: number): string => `${(of / 1e12).toPrecision(3)} T multiply-adds`;
  return perSample
    ? `${inT(macs / depthUsed)} at full depth, each leaves where its uncertainty is below ${perSample.threshold.toPrecision(3)}`
    : `${inT(macs)}, ${(100 * depthUsed).toFixed(1)}% of full depth`;
}

/** A plan in JSON. */
function planned(plan: DrawPlan, perSample: PerSampleRule | undefined): Result {
  if (!perSample) return { ...plan };
  const { exits: _, unconditional: _both, depthUsed: _used, macs: _macs, ...rest } = plan;
  return { ...rest, threshold: perSample.threshold };
}

/** '10 steps', or how many calls they take where a solver asks several times in a step. */
function stepsOf({ timesteps: { length: steps }, calls: { length: calls } }: DrawPlan): string {
  return calls === steps ? `${steps} steps` : `${steps} steps of ${calls} calls`;
}

/**
 * Whether samples leave by themselves, and below which threshold.
 * @throws UserError if both flags are given, or the bundle has no uncertainty heads
 */
async function perSampleRule(
  path: string,
  { bundle }: OpenedBundle,
  { 'per-sample': given, 'depth-used': budget }: Call<OptionsOf<typeof sample>>['options'],
): Promise<PerSampleRule | undefined> {
  if (given === undefined && budget === undefined) return undefined;
  if (given !== undefined && budget !== undefined)
    throw new UserError('--per-sample and --depth-used both choose the threshold; leave one of them out.');
  const { uncertainty, calibration } = await readJudges(path, bundle);
  return { uncertainty, threshold: given ?? thresholdWithin(calibration, budget ?? 1) };
}

/** What becomes of the samples, in words and for --json. */
function told(
  pictures: Pictures,
  { channels, imageSize }: { readonly channels: number; readonly imageSize: number },
): { readonly line: string; readonly json: Readonly<Record<string, unknown>> } {
  const { kind } = pictures;
  switch (kind) {
    case 'pixels':
      return { line: '', json: { kind, imageSize } };
    case 'latents':
      return {
        line: `latents of ${channels} x ${imageSize} x ${imageSize}`,
        json: { kind, channels, imageSize },
      };
    case 'decoded': {
      const { vae, tile = null } = pictures;
      const { source, fingerprint, spec } = vae;
      const pixels = imageSize * spec.downsampling;
      return {
        line: `pictures of ${pixels} x ${pixels} by the autoencoder ${source}`,
        json: { kind, vae: source, fingerprint, tile, imageSize: pixels },
      };
    }
    default:
      return unreachable(pictures);
  }
}

function show(
  { scheduled, full, depthUsed, labels }: Drawing,
  { files, decodeSeconds }: Saved,
  isPixels: boolean,
  terminal: Terminal,
): Readonly<Record<string, unknown>> {
  const perImage = (drawn: Drawn): number => drawn.seconds / labels.length;
  terminal.table([
    ['', 'seconds', 's/image', 'depth used'],
    [scheduled.name, scheduled.seconds.toFixed(2), perImage(scheduled).toFixed(3), depthUsed.toFixed(3)],
    ...(full ? [['full depth', full.seconds.toFixed(2), perImage(full).toFixed(3), '1.000']] : []),
  ]);
  const compared = full && {
    measuredSpeedup: full.seconds / scheduled.seconds,
    drift: drift(scheduled.images, full.images),
    driftOf: isPixels ? 'pixels' : 'latents',
  };
  if (compared)
    terminal.line(
      `measured speed-up ${compared.measuredSpeedup.toFixed(2)}x (predicted ${(1 / depthUsed).toFixed(2)}x), ` +
        `drift ${compared.drift.toPrecision(2)} (mean squared difference of ${compared.driftOf})`,
    );
  if (decodeSeconds > 0) terminal.line(`decoding took ${decodeSeconds.toFixed(2)} s`);
  for (const file of files) terminal.line(file);
  const times = { seconds: scheduled.seconds, fullSeconds: full?.seconds ?? null, decodeSeconds };
  return { ...times, depthUsed, ...compared };
}
