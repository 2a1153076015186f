// exithead train: trains exit heads on a frozen backbone.
import { pickEngine } from '../engine/pick.js';
import { openFrozen } from '../training/openTrained.js';
import { rehearseHeads, trainHeads } from '../training/trainHeads.js';
import { showRehearsal, trainingRun } from './trainingRun.js';
import { verb } from './verb.js';
import { workOf } from './work.js';

export default verb({
  examples: [
    ['exithead train configs/mnist/heads.yaml', 'train the heads of a config'],
    ['exithead train configs/mnist/heads.yaml --set heads.kind=block', 'the same with one key changed'],
    ['exithead train configs/mnist/heads.yaml --dry-run', 'check all of it and say what it takes'],
    ['exithead train configs/mnist/heads.yaml --resume', 'go on with its newest run'],
    ['exithead train runs/002-mnist-heads --resume', 'go on with that run'],
  ],
  positional: { name: 'config', meaning: 'YAML file, or the folder of a run to resume', required: true },
  common: ['config', 'set', 'out', 'engine', 'seed', 'resume', 'dry-run'],
  configKind: 'train',
  options: {},
  async run(call, terminal) {
    const { loaded, start } = await trainingRun('train', call);
    const { config } = loaded;
    const backbone = await openFrozen(config);
    if (call.dryRun)
      return showRehearsal(
        await rehearseHeads(config, backbone, await pickEngine(config.engine)),
        config.train,
        terminal,
      );
    const run = await start();
    terminal.line(`run ${run.path}`);
    const heads = await trainHeads(run, config, backbone, await workOf(config, call, terminal, 'train'));
    terminal.line(`heads in ${heads}`);
    terminal.line(`next: exithead profile ${run.path}`);
    return { run: run.path, heads };
  },
});
