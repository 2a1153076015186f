// exithead convert: rearranges a DiT between the layouts of the official code and of diffusers.
import { parseLabels } from '../backbones/labels.js';
import { openBackbone } from '../checkpoints/backbone.js';
import { planConversion, writeConversion, type Conversion } from '../checkpoints/convert.js';
import { UserError } from '../errors.js';
import type { convert } from './declarations.js';
import type { Terminal } from './terminal.js';
import { targetOf, type Call, type OptionsOf, type Result } from './verb.js';

export default async function run(
  call: Call<OptionsOf<typeof convert>>,
  terminal: Terminal,
): Promise<Result> {
  const path = targetOf(call);
  const { out, dryRun } = call;
  const { to, config, size, weights = 'auto' } = call.options;
  const example = `exithead convert ${path} --to ${to ?? 'diffusers'} --out converted`;
  if (to === undefined) throw new UserError(`exithead convert needs --to, the layout to write: ${example}`);
  if (out === undefined && !dryRun)
    throw new UserError(`exithead convert needs --out, the folder to write: ${example}`);
  const labels = call.options.labels === undefined ? undefined : parseLabels(call.options.labels);
  const imageSize = call.options['image-size'];
  const opened = await openBackbone({ path, config, size, weights, imageSize, labels });
  const conversion = await planConversion(opened, to);
  const { spec, differences, files, bytes, tensors } = conversion;
  terminal.line(`${spec.size} from ${path}, in the layout ${opened.layout}`);
  for (const line of verdict(conversion)) terminal.line(line);
  const facts = {
    ...{ from: opened.layout, to, spec, equivalent: differences.length === 0, differences, files, bytes },
    tensors: Object.keys(tensors).length,
  };
  const what = `${facts.tensors} tensors, ${(bytes / 1e6).toFixed(1)} MB`;
  if (dryRun || out === undefined) {
    terminal.line(`would write ${files.join(' and ')} (${what})`);
    return { ...facts, written: null };
  }
  const fingerprint = await writeConversion(conversion, out);
  terminal.line(`${files.join(' and ')} in ${out} (${what}), fingerprint ${fingerprint}`);
  return { ...facts, written: out, fingerprint };
}

const code = { official: 'the official code', diffusers: 'diffusers' } as const;

function verdict({ to, differences, spec }: Conversion): string[] {
  // The class takes any label, but their pipeline was written for ImageNet.
  const pipeline =
    to === 'diffusers' && spec.nullClass && spec.classes !== 1000
      ? [
          `their DiTPipeline takes label 1000 as no class, which is ${spec.classes} here: call the transformer itself`,
        ]
      : [];
  if (differences.length === 0) return [`equivalent: ${code[to]} computes the same from it`, ...pipeline];
  const shifted =
    spec.timeShift === 1 && to === 'official'
      ? [
          '  weights that the official code trained, and that came through diffusers, want time_shift 0 in config.json',
        ]
      : [];
  return [
    `not equivalent: the weights are the same, but ${code[to]} computes otherwise than this backbone`,
    ...differences.map(({ meaning }) => `  ${meaning}`),
    ...shifted,
    '  exithead reads what was written as this backbone, differences and all',
    ...pipeline,
  ];
}
