// exithead train: trains exit heads on a frozen backbone, or the backbone itself for its exits.
import { requireChannels, requireGuidable } from '../backbones/guidance.js';
import { withTuning } from '../config/tuning.js';
import { openData } from '../data/open.js';
import { pickEngine } from '../engine/pick.js';
import { channelsOf } from '../exits/guided.js';
import { checkTraining, rehearseRun, trainRun, untrainedLabels } from '../training/modes.js';
import { openFrozen } from '../training/openTrained.js';
import { openPictureVae } from '../vae/pictures.js';
import { showRehearsal, trainingRun } from './trainingRun.js';
import type { Terminal } from './terminal.js';
import type { Call, Result } from './verb.js';
import { workOf } from './work.js';

export default async function run(call: Call, terminal: Terminal): Promise<Result> {
  const { loaded, folder, start } = await trainingRun('train', call);
  const { config } = loaded;
  const backbone = await openFrozen(config);
  // Mistakes are found before there is a run; `profile` will need the held-out images.
  await checkTraining(config, backbone, folder);
  requireGuidable(backbone.spec, config.sample.guidance);
  requireChannels(backbone.spec, channelsOf(config.sample));
  const pictures = await openPictureVae(backbone.spec, config.vae);
  for (const split of ['train', 'test'] as const) await openData(config.data, split, backbone.spec);
  const untrained = untrainedLabels(config);
  if (untrained !== undefined) terminal.warn(untrained);
  if (call.dryRun)
    return showRehearsal(
      await rehearseRun(config, backbone, await pickEngine(config.engine)),
      config.train,
      terminal,
    );
  const work = await workOf(config, call, terminal, 'train');
  // A branch on the hub may move on; the run stays with what it began with.
  const pinned = {
    ...withTuning(config),
    backbone: { ...config.backbone, path: backbone.source },
    vae: { ...config.vae, path: pictures?.vae.source },
  };
  const run = await start(pinned);
  terminal.line(`run ${run.path}`);
  const heads = await trainRun(run, pinned, backbone, work);
  terminal.line(`heads in ${heads}`);
  terminal.line(`next: exithead profile ${run.path}`);
  return { run: run.path, heads };
}
