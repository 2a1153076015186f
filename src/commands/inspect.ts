// exithead inspect: says what a backbone, run or bundle is, and checks it on the way.
import { join } from 'node:path';
import type { BackboneSpec, DitSpec, ExitRule, TimeAxis } from '../backbones/backbone.js';
import { exitsForHeads } from '../backbones/families.js';
import { openBundle } from '../bundle/openBundle.js';
import { openBackbone, type BackboneSource } from '../checkpoints/backbone.js';
import { countOf } from '../engine/tensors.js';
import { unreachable, UserError } from '../errors.js';
import { headPlan } from '../exits/heads.js';
import type { Model } from '../exits/model.js';
import { isFile } from '../files/disk.js';
import { measuredExits } from '../schedules/profile.js';
import { stretchesOf } from '../schedules/schedule.js';
import { openTrained } from '../training/openTrained.js';
import type { inspect } from './declarations.js';
import type { Terminal } from './terminal.js';
import { targetOf, type Call, type OptionsOf, type Result } from './verb.js';

export default async function run(
  call: Call<OptionsOf<typeof inspect>>,
  terminal: Terminal,
): Promise<Result> {
  const path = targetOf(call);
  const { size, config, weights = 'auto', backbone } = call.options;
  const [imageSize, exitRule] = [call.options['image-size'], call.options['exit-rule']];
  if (await isFile(join(path, 'bundle.json'))) return inspectBundle(path, backbone, terminal);
  if (backbone !== undefined) throw new UserError(`${path} is no bundle, so --backbone does not go with it.`);
  const source = { weights, size, config, imageSize, exitRule };
  // A run of `exithead pretrain` is worth the backbone in it.
  const made = join(path, 'backbone');
  if (await isFile(join(made, 'config.json'))) return inspectBackbone({ ...source, path: made }, terminal);
  if (await isFile(join(path, 'config.yaml'))) return inspectRun(path, terminal);
  return inspectBackbone({ ...source, path }, terminal);
}

async function inspectBackbone(source: BackboneSource, terminal: Terminal): Promise<Facts> {
  const { spec, reason, layout, weights, fingerprint } = await openBackbone(source);
  const parameters = countOf(weights);
  terminal.line(`${spec.size}, a backbone of ${parameters.toLocaleString('en')} parameters, all finite`);
  terminal.line(`why: ${reason}${layout === 'official' ? '' : `; the layout is that of ${layout}`}`);
  showSpec(spec, fingerprint, terminal);
  // What ASE does: the backbone's own last layer at every exit.
  const plans = exitsForHeads(spec).map((exit) => headPlan('shared', exit));
  const exits = showExits({ spec, backbone: weights, plans, heads: {} }, terminal);
  return { kind: 'backbone', parameters, spec, layout, reason, fingerprint, exits };
}

async function inspectRun(path: string, terminal: Terminal): Promise<Facts> {
  const { backbone, heads, model, config } = await openTrained(path);
  const { spec, fingerprint } = backbone;
  terminal.line(
    `a finished run: ${heads.plans.length} ${config.heads.kind} heads on ${spec.size} (${backbone.source})`,
  );
  showSpec(spec, fingerprint, terminal);
  return { kind: 'run', spec, fingerprint, heads: heads.fingerprint, exits: showExits(model, terminal) };
}

async function inspectBundle(path: string, place: string | undefined, terminal: Terminal): Promise<Facts> {
  const { bundle, model } = await openBundle(
    path,
    place === undefined ? undefined : { path: place, weights: 'auto' },
  );
  const { backbone, schedule } = bundle;
  terminal.line(`a bundle for ${backbone.spec.size}, with its backbone as it should be`);
  showSpec(backbone.spec, backbone.fingerprint, terminal);
  const exits = showExits(model, terminal);
  terminal.line(
    `schedule of ${schedule.timesteps.length} steps, predicted speed-up ${schedule.predicted.speedup.toFixed(3)}x: ` +
      stretchesOf(schedule)
        .map(({ exit, steps }) => `${steps} x exit ${exit}`)
        .join(', '),
  );
  return { kind: 'bundle', spec: backbone.spec, fingerprint: backbone.fingerprint, exits, schedule };
}

type Facts = Readonly<Record<string, unknown>>;

function showSpec(spec: BackboneSpec, fingerprint: string, terminal: Terminal): void {
  const { depth, width, heads, tokens, patch, channels, imageSize, timeSteps } = spec;
  terminal.line(
    `blocks ${depth}, width ${width}, attention heads ${heads}, tokens ${tokens}, patches of ${patch} x ${patch}`,
  );
  terminal.line(
    `input ${channels} x ${imageSize} x ${imageSize}, ${labelsOf(spec)}, ${timeSteps} diffusion steps, ` +
      `predicts ${spec.prediction}${spec.outChannels > channels ? ' and variance' : ''}`,
  );
  for (const line of familyLines(spec)) terminal.line(line);
  terminal.line(`fingerprint ${fingerprint}`);
}

/** What the backbone is told. */
function labelsOf(spec: BackboneSpec): string {
  switch (spec.conditioning) {
    case 'classes':
      if (spec.classes === 0) return 'unconditional';
      return `${spec.classes} classes${spec.nullClass ? '' : ' and no null class'}`;
    case 'captions':
      return `captions of ${spec.captionTokens} tokens x ${spec.captionChannels}`;
    default:
      return unreachable(spec);
  }
}

/** What one family alone has. */
function familyLines(spec: BackboneSpec): string[] {
  switch (spec.family) {
    case 'dit':
      return ditLines(spec);
    case 'uvit':
      return [
        `native t ${nativeTimes[spec.timeAxis]}; time ${spec.timeMlp ? 'through' : 'without'} an MLP, ` +
          `${spec.finalConvolution ? 'a' : 'no'} convolution after the patches`,
        `exit rule ${spec.exitRule}: ${kept[spec.exitRule]}`,
      ];
    case 'pixart':
      return [
        `places of patches divided by ${spec.interpolation}${spec.sizeConditions ? '; size and shape of the image embedded with the time' : ''}`,
      ];
    default:
      return unreachable(spec);
  }
}

/** Where it is not as the official code has it. */
function ditLines(spec: DitSpec): string[] {
  const { timeShift, mlpNormEpsilon, projections, embedders, positions } = spec;
  const found = [
    timeShift !== 0 && `waves of time divided by ${128 - timeShift}`,
    mlpNormEpsilon !== 1e-6 && `${mlpNormEpsilon} added in the norm before the MLP`,
    projections === 'split' && 'query, key and value apart',
    embedders === 'per-block' && 'embedders of its own in every block',
    positions === 'computed' && 'positions computed',
  ].filter((line) => line !== false);
  if (found.length === 0) return [];
  return [
    `unlike the official code: ${found.join(', ')}`,
    ...(timeShift === 0
      ? []
      : [
          'if the official code trained it, and diffusers only hold it, put "time_shift": 0 into its config.json',
        ]),
  ];
}

/** At diffusion step 0..T-1. */
const nativeTimes: Readonly<Record<TimeAxis, string>> = {
  steps: 'is the diffusion step, from 0',
  'steps-from-1': 'is the diffusion step, from 1',
  continuous: 'is continuous, up to 999',
};
const kept: Readonly<Record<ExitRule, string>> = {
  skips: 'dropped blocks keep the layer that joins their long skip, so exits begin at the last encoder block',
  plain: 'dropped blocks keep nothing',
};

function showExits(model: Model, terminal: Terminal): Facts[] {
  const exits = measuredExits(model);
  const full = exits.at(-1)?.macs ?? NaN;
  terminal.table([
    ['exit', 'head', 'MMACs', 'of full depth'],
    ...exits.map(({ exit, kind, macs }) => [
      exit,
      kind,
      (macs / 1e6).toFixed(1),
      `${((100 * macs) / full).toFixed(1)}%`,
    ]),
  ]);
  return exits;
}
