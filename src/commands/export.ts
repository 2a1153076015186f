// exithead export: writes the bundle that a sampler loads.
import { exportBundle } from '../bundle/export.js';
import { UserError } from '../errors.js';
import { openTrained } from '../training/openTrained.js';
import { targetOf, verb } from './verb.js';

export default verb({
  examples: [
    ['exithead export runs/001-mnist-heads --out bundle', 'heads, schedule and settings in one folder'],
  ],
  positional: { name: 'run', meaning: 'folder of a run that has a schedule', required: true },
  common: ['out'],
  options: {},
  async run(call, terminal) {
    const target = targetOf(call);
    const { out } = call;
    if (out === undefined)
      throw new UserError(
        `exithead export needs --out, the folder to write: exithead export ${target} --out bundle`,
      );
    const schedule = await exportBundle(await openTrained(target), out);
    terminal.line(`bundle in ${out}, predicted speed-up ${schedule.predicted.speedup.toFixed(3)}x`);
    terminal.line(`next: exithead sample ${out} -n 64 --compare --out samples`);
    return { bundle: out, predicted: schedule.predicted };
  },
});
