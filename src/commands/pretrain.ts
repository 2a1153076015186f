// exithead pretrain: makes a backbone from nothing.
import { requireChannels, requireGuidable } from '../backbones/guidance.js';
import { openData } from '../data/open.js';
import { pickEngine } from '../engine/pick.js';
import { channelsOf } from '../exits/guided.js';
import { pretrain, pretrainingTimes, rehearsePretraining, specToMake } from '../training/pretrain.js';
import { openPictureVae } from '../vae/pictures.js';
import { showRehearsal, trainingRun } from './trainingRun.js';
import type { Terminal } from './terminal.js';
import type { Call, Result } from './verb.js';
import { workOf } from './work.js';

export default async function run(call: Call, terminal: Terminal): Promise<Result> {
  const { loaded, start } = await trainingRun('pretrain', call);
  const { config } = loaded;
  const spec = specToMake(config);
  terminal.line(`${spec.size}, from seed ${config.seed}`);
  // Mistakes are found before there is a run.
  requireGuidable(spec, config.sample.guidance);
  requireChannels(spec, channelsOf(config.sample));
  await pretrainingTimes(config);
  await openPictureVae(spec, config.vae);
  await openData(config.data, 'train', spec);
  if (call.dryRun)
    return showRehearsal(
      await rehearsePretraining(config, await pickEngine(config.engine)),
      config.train,
      terminal,
    );
  const run = await start(config);
  terminal.line(`run ${run.path}`);
  const made = await pretrain(run, config, await workOf(config, call, terminal, 'pretrain'));
  terminal.line(`backbone in ${made.path}, fingerprint ${made.fingerprint.slice(0, 12)}`);
  return { run: run.path, backbone: made.path, fingerprint: made.fingerprint };
}
