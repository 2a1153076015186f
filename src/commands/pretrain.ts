// exithead pretrain: makes a backbone from nothing.
import { pickEngine } from '../engine/pick.js';
import { pretrain, rehearsePretraining, specToMake } from '../training/pretrain.js';
import { showRehearsal, trainingRun } from './trainingRun.js';
import { verb } from './verb.js';
import { workOf } from './work.js';

export default verb({
  examples: [
    ['exithead pretrain configs/mnist/pretrain.yaml', 'make the digit backbone of models/mnist-dit'],
    ['exithead pretrain configs/mnist/pretrain.yaml --dry-run', 'say what that takes on this machine'],
    ['exithead pretrain runs/001-mnist-pretrain --resume', 'go on with a run that was stopped'],
  ],
  positional: { name: 'config', meaning: 'YAML file, or the folder of a run to resume', required: true },
  common: ['config', 'set', 'out', 'engine', 'seed', 'resume', 'dry-run'],
  configKind: 'pretrain',
  options: {},
  async run(call, terminal) {
    const { loaded, start } = await trainingRun('pretrain', call);
    const { config } = loaded;
    terminal.line(`${specToMake(config).size}, from seed ${config.seed}`);
    if (call.dryRun)
      return showRehearsal(
        await rehearsePretraining(config, await pickEngine(config.engine)),
        config.train,
        terminal,
      );
    const run = await start();
    terminal.line(`run ${run.path}`);
    const made = await pretrain(run, config, await workOf(config, call, terminal, 'pretrain'));
    terminal.line(`backbone in ${made.path}, fingerprint ${made.fingerprint.slice(0, 12)}`);
    return { run: run.path, backbone: made.path, fingerprint: made.fingerprint };
  },
});
