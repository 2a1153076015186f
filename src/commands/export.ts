// exithead export: writes the bundle that a sampler loads.
import { exportBundle } from '../bundle/export.js';
import { UserError } from '../errors.js';
import { openTrained } from '../training/openTrained.js';
import type { exporting } from './declarations.js';
import type { Terminal } from './terminal.js';
import { targetOf, type Call, type OptionsOf, type Result } from './verb.js';

export default async function run(
  call: Call<OptionsOf<typeof exporting>>,
  terminal: Terminal,
): Promise<Result> {
  const target = targetOf(call);
  const { out } = call;
  if (out === undefined)
    throw new UserError(
      `exithead export needs --out, the folder to write: exithead export ${target} --out bundle`,
    );
  const trained = await openTrained(target);
  const { frozenPrecision } = trained.config.engine;
  if (call.options.onnx && frozenPrecision !== 'fp32')
    terminal.warn(
      `the heads were trained on a backbone in ${frozenPrecision}, and the ONNX graphs compute in fp32: expect larger errors of ` +
        'them than the schedule promises. Train heads with engine.frozenPrecision: fp32 for samplers that run the graphs.',
    );
  const schedule = await exportBundle(trained, out, {
    withBackbone: call.options['with-backbone'],
    withOnnx: call.options.onnx,
  });
  terminal.line(`bundle in ${out}, predicted speed-up ${schedule.predicted.speedup.toFixed(3)}x`);
  terminal.line(`next: exithead sample ${out} -n 64 --compare --out samples`);
  return { bundle: out, predicted: schedule.predicted };
}
