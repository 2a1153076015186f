// exithead sample: draws images with a bundle.
import { join } from 'node:path';
import { draw, planDrawing, type Drawing } from '../bundle/draw.js';
import { openBundle } from '../bundle/openBundle.js';
import { loadConfig } from '../config/load.js';
import { openPrompts } from '../data/openPrompts.js';
import { engineLine } from '../engine/engine.js';
import { makeFolder } from '../files/disk.js';
import { writeFileAtomic } from '../files/write.js';
import { imageGrid } from '../report/grid.js';
import { drift, type Drawn } from '../samplers/compare.js';
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
  const prompts = await openPrompts(opened.model.spec, captions, '--captions');
  const plan = planDrawing(opened, config.sample);
  const trained = opened.bundle.backbone.frozenPrecision;
  const { frozenPrecision = trained } = config.engine;
  if (frozenPrecision !== trained)
    terminal.warn(
      `the heads were trained on a backbone in ${trained}, and this one computes in ${frozenPrecision}: expect larger errors than ` +
        'the schedule promises. Leave engine.frozenPrecision out to sample as they were trained.',
    );
  terminal.line(
    `${config.sample.count} images, ${config.sample.solver}, ${plan.timesteps.length} steps, guidance ${plan.guidance}: ` +
      `${(plan.macs / 1e12).toPrecision(3)} T multiply-adds, ${(100 * plan.depthUsed).toFixed(1)}% of full depth${frozenPrecision === 'fp32' ? '' : `, backbone in ${frozenPrecision}`}`,
  );
  if (call.dryRun) {
    terminal.line('Nothing was written.');
    return { dryRun: true, ...plan, frozenPrecision };
  }
  const { engine, signal, progress } = await workOf(
    { engine: { ...config.engine, frozenPrecision } },
    call,
    terminal,
    'sample',
  );
  terminal.line(engineLine(engine));
  const { seed, sample: settings } = config;
  const drawing = await draw(opened, {
    ...{ engine, config: settings, seed, prompts, compare, frozenPrecision, signal, progress },
  });
  const { channels, imageSize } = opened.model.spec;
  const files = await save(call.out ?? 'samples', drawing, {
    channels,
    imageSize,
    columns: settings.columns,
  });
  return { files, labels: [...drawing.labels], frozenPrecision, ...show(drawing, files, terminal) };
}

/** One PNG for each way of drawing. */
async function save(
  folder: string,
  { scheduled, full }: Drawing,
  shape: { channels: number; imageSize: number; columns: number },
): Promise<string[]> {
  await makeFolder(folder);
  const files: string[] = [];
  const sets: readonly (readonly [string, Drawn])[] = [
    ['scheduled.png', scheduled],
    ...(full ? [['full-depth.png', full] as const] : []),
  ];
  for (const [name, { images }] of sets) {
    const path = join(folder, name);
    await writeFileAtomic(path, (await imageGrid(images, shape)).png);
    files.push(path);
  }
  return files;
}

function show(
  { scheduled, full, depthUsed, labels }: Drawing,
  files: readonly string[],
  terminal: Terminal,
): Readonly<Record<string, unknown>> {
  const perImage = (drawn: Drawn): number => drawn.seconds / labels.length;
  terminal.table([
    ['', 'seconds', 's/image', 'depth used'],
    ['scheduled', scheduled.seconds.toFixed(2), perImage(scheduled).toFixed(3), depthUsed.toFixed(3)],
    ...(full ? [['full depth', full.seconds.toFixed(2), perImage(full).toFixed(3), '1.000']] : []),
  ]);
  const compared = full && {
    measuredSpeedup: full.seconds / scheduled.seconds,
    drift: drift(scheduled.images, full.images),
  };
  if (compared)
    terminal.line(
      `measured speed-up ${compared.measuredSpeedup.toFixed(2)}x (predicted ${(1 / depthUsed).toFixed(2)}x), ` +
        `drift ${compared.drift.toPrecision(2)} (mean squared difference of pixels)`,
    );
  for (const file of files) terminal.line(file);
  return { seconds: scheduled.seconds, fullSeconds: full?.seconds ?? null, depthUsed, ...compared };
}
