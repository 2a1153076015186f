// Does it work? From the pretrained digit backbone to a faster sampler, with nothing else precomputed: npm run quickstart
import { join, relative } from 'node:path';
import { draw, type Drawing } from '../src/bundle/draw.js';
import { exportBundle, schedulePath } from '../src/bundle/export.js';
import { openBundle } from '../src/bundle/openBundle.js';
import { profileRun } from '../src/bundle/profileRun.js';
import { scheduleByRule, stepCountsOf } from '../src/bundle/scheduleRun.js';
import { openBackbone } from '../src/checkpoints/backbone.js';
import { main } from '../src/commands/main.js';
import { duration } from '../src/commands/progress.js';
import type { Terminal } from '../src/commands/terminal.js';
import { profileTrajectories } from '../src/commands/profileTrajectories.js';
import { showRehearsal } from '../src/commands/trainingRun.js';
import { verb } from '../src/commands/verb.js';
import { workOf } from '../src/commands/work.js';
import { processWorld } from '../src/commands/world.js';
import { loadConfig } from '../src/config/load.js';
import { openData } from '../src/data/open.js';
import { accuracyOn, agreement } from '../src/evaluate/agreement.js';
import { trainClassifier } from '../src/evaluate/classifier.js';
import { writeFileAtomic } from '../src/files/write.js';
import { beside } from '../src/report/beside.js';
import { imageGrid, type Picture } from '../src/report/grid.js';
import { writeReport, type Report } from '../src/report/page.js';
import { runReport } from '../src/report/runReport.js';
import { drift, type Drawn } from '../src/samplers/compare.js';
import { placeOf } from '../src/schedules/overSteps.js';
import { writeSchedule } from '../src/schedules/schedule.js';
import { openTrained, type Trained } from '../src/training/openTrained.js';
import { startRun } from '../src/training/startRun.js';
import { rehearseHeads, trainHeads } from '../src/training/trainHeads.js';

/** Digits shown, of all that are drawn. */
const shown = 50;
const columns = 10;

/** What was measured on two sets of images drawn from the same noise. */
interface Outcome {
  readonly predictedSpeedup: number;
  readonly measuredSpeedup: number;
  readonly depthUsed: number;
  readonly drift: number;
  /** Share of images in which a classifier sees the digit that was asked for. */
  readonly agreement: { readonly scheduled: number; readonly full: number };
  /** Of that classifier, on the test images. */
  readonly classifierAccuracy: number;
  readonly seconds: { readonly scheduled: number; readonly full: number };
}

const quickstart = verb({
  examples: [['npm run quickstart', 'train heads, measure, solve, export, sample and compare']],
  common: ['set', 'out', 'engine', 'seed', 'dry-run'],
  configKind: 'train',
  options: {},
  async run(call, terminal) {
    const begun = Date.now();
    const path = join(import.meta.dirname, '../configs/mnist/quickstart.yaml');
    const loaded = await loadConfig(path, { kind: 'train', set: call.set });
    const { config } = loaded;
    const work = (label: string): ReturnType<typeof workOf> => workOf(config, call, terminal, label);
    const title = (text: string): void => terminal.line(`\n${text}`);

    const backbone = await openBackbone(config.backbone);
    if (call.dryRun) {
      const { engine } = await work('rehearse');
      terminal.line(`Training the heads, about a third of the quickstart:`);
      return showRehearsal(await rehearseHeads(config, backbone, engine), config.train, terminal);
    }

    title('1. Train exit heads on the frozen backbone');
    const run = await startRun(loaded, { root: call.out ?? 'quickstart-out', resume: false });
    await trainHeads(run, config, backbone, await work('train'));
    const trained = await openTrained(run.path);

    title('2. Measure every exit at every time, on images that nothing was trained on');
    await profileRun(trained, await work('profile'));
    terminal.line('and what that does to samples, along real trajectories:');
    await profileTrajectories(trained, call, terminal);

    const { speedup } = config.schedule;
    title(`3. Choose which exit runs when at ${speedup}x, and export the bundle`);
    const schedule = await scheduleByRule(trained, await stepCountsOf(trained));
    await writeSchedule(schedulePath(run), schedule);
    const bundle = join(run.path, 'bundle');
    await exportBundle(trained, bundle);
    terminal.line(`exits from noise to data: ${schedule.exits.join(' ')}`);
    terminal.line(`bundle in ${bundle}`);

    title(
      `4. Draw ${config.sample.count} digits twice from the same noise: with the schedule, and at full depth`,
    );
    const drawing = await draw(await openBundle(bundle), {
      ...(await work('sample')),
      // In the steps that the schedule chose.
      ...{ config: { ...config.sample, steps: schedule.timesteps.length }, seed: config.seed, compare: true },
    });
    const { scheduled, full } = drawing;
    if (!full) throw new Error('a comparison draws at full depth');

    title('5. Train a digit classifier, and ask it what it sees');
    const { engine, signal, progress } = await work('classifier');
    const train = await openData(config.data, 'train', backbone.spec);
    const test = await openData(config.data, 'test', backbone.spec);
    const classifier = await trainClassifier(engine, train, { seed: config.seed, signal, progress });
    const agreeing = ({ images }: Drawn): Promise<number> => agreement(classifier, images, drawing.labels);
    const outcome: Outcome = {
      predictedSpeedup: placeOf(schedule).speedup,
      measuredSpeedup: full.seconds / scheduled.seconds,
      depthUsed: drawing.depthUsed,
      drift: drift(scheduled.images, full.images),
      agreement: { scheduled: await agreeing(scheduled), full: await agreeing(full) },
      classifierAccuracy: await accuracyOn(classifier, test),
      seconds: { scheduled: scheduled.seconds, full: full.seconds },
    };
    await classifier.dispose();

    show(outcome, config.sample.count, terminal);
    const page = await writePage(trained, drawing, outcome);
    terminal.line(`\npicture: ${relative('.', join(run.samples, 'full-beside-scheduled.png'))}`);
    terminal.line(`done in ${duration(Date.now() - begun)}; the page with pictures and plots:`);
    terminal.line(page);
    return { run: run.path, bundle, page, ...outcome };
  },
});

const percent = (share: number): string => `${(100 * share).toFixed(1)}%`;

function show(outcome: Outcome, count: number, terminal: Terminal): void {
  const { predictedSpeedup, measuredSpeedup, depthUsed, seconds } = outcome;
  terminal.line();
  terminal.table([
    ['', 'full depth', 'scheduled'],
    ['compute', '100.0%', percent(depthUsed)],
    [`seconds for ${count} digits`, seconds.full.toFixed(1), seconds.scheduled.toFixed(1)],
    [
      'agreement with the class asked for',
      percent(outcome.agreement.full),
      percent(outcome.agreement.scheduled),
    ],
  ]);
  terminal.line();
  terminal.line(
    `speed-up   predicted ${predictedSpeedup.toFixed(2)}x, measured ${measuredSpeedup.toFixed(2)}x`,
  );
  terminal.line(
    `drift      ${outcome.drift.toPrecision(2)}, mean squared difference of pixels in [-1, 1] between the two sets`,
  );
  terminal.line(`classifier ${percent(outcome.classifierAccuracy)} right on the 10,000 test images`);
}

async function grids(
  { scheduled, full }: Drawing,
  { channels, imageSize }: { channels: number; imageSize: number },
): Promise<{ scheduled: Picture; full: Picture }> {
  const grid = (drawn: Drawn | undefined): Promise<Picture> => {
    const images = drawn?.images.subarray(0, shown * channels * imageSize ** 2) ?? new Float32Array(0);
    return imageGrid(images, { channels, imageSize, columns });
  };
  return { scheduled: await grid(scheduled), full: await grid(full) };
}

/** Writes the pictures and the page. @returns path of the page */
async function writePage(trained: Trained, drawing: Drawing, outcome: Outcome): Promise<string> {
  const { run, backbone } = trained;
  const pictures = await grids(drawing, backbone.spec);
  const { png } = await beside(pictures.full, pictures.scheduled);
  await writeFileAtomic(join(run.samples, 'full-beside-scheduled.png'), png);
  const { agreement: agreed, seconds } = outcome;
  const count = drawing.labels.length;
  const report: Report = {
    ...(await runReport(trained)),
    title: 'exithead quickstart: digits, faster',
    headline: [
      {
        label: 'Measured speed-up',
        value: `${outcome.measuredSpeedup.toFixed(2)}x`,
        note: `predicted ${outcome.predictedSpeedup.toFixed(2)}x from multiply-adds`,
      },
      {
        label: 'Right digit',
        value: percent(agreed.scheduled),
        note: `${percent(agreed.full)} at full depth, judged by a classifier that is right on ${percent(outcome.classifierAccuracy)} of the test images`,
      },
      {
        label: 'Drift',
        value: outcome.drift.toPrecision(2),
        note: 'mean squared difference of pixels in [-1, 1] between the two sets',
      },
    ],
    pictures: [
      {
        title: 'Full depth',
        caption: `All ${backbone.spec.depth} blocks at every step; ${seconds.full.toFixed(1)} s for ${count} digits`,
        alt: `${shown} digits drawn at full depth`,
        picture: pictures.full,
      },
      {
        title: 'Scheduled',
        caption: `The same noise, ${percent(outcome.depthUsed)} of the compute; ${seconds.scheduled.toFixed(1)} s`,
        alt: `The same ${shown} digits drawn with the schedule`,
        picture: pictures.scheduled,
      },
    ],
    comparison: {
      columns: ['', 'Full depth', 'Scheduled'],
      rows: [
        ['Multiply-adds', '100.0%', percent(outcome.depthUsed)],
        [`Seconds for ${count} digits`, seconds.full.toFixed(1), seconds.scheduled.toFixed(1)],
        ['Right digit', percent(agreed.full), percent(agreed.scheduled)],
      ],
    },
  };
  const path = join(run.path, 'report.html');
  await writeReport(path, report);
  return relative('.', path);
}

const summary = 'from a pretrained backbone to a faster sampler';
process.exitCode = await main(
  ['quickstart', ...process.argv.slice(2)],
  [{ name: 'quickstart', summary, load: () => Promise.resolve(quickstart) }],
  processWorld(),
);
