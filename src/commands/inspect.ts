// exithead inspect: says what a backbone, run or bundle is, and checks it on the way.
import { join } from 'node:path';
import type { BackboneSpec } from '../backbones/backbone.js';
import { openBundle } from '../bundle/openBundle.js';
import { openBackbone, type BackboneSource } from '../checkpoints/backbone.js';
import { countOf } from '../engine/tensors.js';
import { UserError } from '../errors.js';
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
  const imageSize = call.options['image-size'];
  if (await isFile(join(path, 'bundle.json'))) return inspectBundle(path, backbone, terminal);
  if (backbone !== undefined) throw new UserError(`${path} is no bundle, so --backbone does not go with it.`);
  const source = { weights, size, config, imageSize };
  // A run of `exithead pretrain` is worth the backbone in it.
  const made = join(path, 'backbone');
  if (await isFile(join(made, 'config.json'))) return inspectBackbone({ ...source, path: made }, terminal);
  if (await isFile(join(path, 'config.yaml'))) return inspectRun(path, terminal);
  return inspectBackbone({ ...source, path }, terminal);
}

async function inspectBackbone(source: BackboneSource, terminal: Terminal): Promise<Facts> {
  const { spec, weights, fingerprint } = await openBackbone(source);
  const parameters = countOf(weights);
  terminal.line(`${spec.size}, a backbone of ${parameters.toLocaleString('en')} parameters, all finite`);
  showSpec(spec, fingerprint, terminal);
  // What ASE does: the backbone's own last layer at every exit.
  const plans = Array.from({ length: spec.depth - 1 }, (_, i) => headPlan('shared', i + 1));
  const exits = showExits({ spec, backbone: weights, plans, heads: {} }, terminal);
  return { kind: 'backbone', parameters, spec, fingerprint, exits };
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
  const { depth, width, heads, tokens, patch, channels, imageSize, classes, timeSteps } = spec;
  terminal.line(
    `blocks ${depth}, width ${width}, attention heads ${heads}, tokens ${tokens} of ${patch} x ${patch}`,
  );
  terminal.line(
    `input ${channels} x ${imageSize} x ${imageSize}, ${classes} classes, ${timeSteps} diffusion steps, ` +
      `predicts ${spec.prediction}${spec.outChannels > channels ? ' and variance' : ''}`,
  );
  terminal.line(`fingerprint ${fingerprint}`);
}

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
