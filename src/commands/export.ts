// exithead export: writes the bundle that a sampler loads.
import { exportBundle } from '../bundle/export.js';
import { UserError } from '../errors.js';
import { openTrained } from '../training/openTrained.js';
import type { Terminal } from './terminal.js';
import { targetOf, type Call, type Result } from './verb.js';

export default async function run(call: Call, terminal: Terminal): Promise<Result> {
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
}
