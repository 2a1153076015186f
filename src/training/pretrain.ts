// How is a backbone made from nothing?
import { join } from 'node:path';
import type { BackboneSpec } from '../backbones/backbone.js';
import { initialWeights, trainable } from '../backbones/init.js';
import { ditSpec, uvitSpec } from '../backbones/spec.js';
import { writeBackbone } from '../checkpoints/writeBackbone.js';
import type { PretrainConfig } from '../config/schema.js';
import { diffusion } from '../diffusion/betas.js';
import type { Engine } from '../engine/engine.js';
import type { HostTensors } from '../engine/tensors.js';
import { unreachable } from '../errors.js';
import { fit, rehearse, type Rehearsal, type Subject, type Work } from './fit.js';
import { previews } from './previews.js';
import { pretrainStep, trainingInputs } from './pretrainStep.js';
import type { Run } from './runFolder.js';
import { part } from './state.js';
import { mixtureTables } from './target.js';
import { timesRule, timeWeights } from './timeWeights.js';

/** The backbone that a config describes. */
export function specToMake({
  backbone,
  diffusion,
}: Pick<PretrainConfig, 'backbone' | 'diffusion'>): BackboneSpec {
  const { family, imageSize, channels, width, depth, classes } = backbone;
  const common = {
    patch_size: backbone.patch,
    num_heads: backbone.heads,
    mlp_ratio: backbone.mlpRatio,
    time_steps: diffusion.steps,
    prediction: diffusion.prediction,
  };
  switch (family) {
    case 'dit':
      return ditSpec({
        ...common,
        ...{ input_size: imageSize, in_channels: channels, hidden_size: width, depth },
        num_classes: classes,
        learn_sigma: false,
      });
    case 'uvit':
      return uvitSpec({
        ...common,
        ...{ img_size: imageSize, in_chans: channels, embed_dim: width },
        // The official depth leaves the middle block out, the official classes count the null class.
        depth: depth - 1,
        num_classes: classes > 0 ? classes + 1 : -1,
        null_class: classes > 0,
      });
    default:
      return unreachable(family);
  }
}

/** How often each time comes, and how much it counts. @throws UserError if a file that says so does not fit */
export async function pretrainingTimes({
  loss,
  diffusion: settings,
}: Pick<PretrainConfig, 'loss' | 'diffusion'>): Promise<Pick<Subject, 'times' | 'timeWeights'>> {
  const schedule = diffusion(settings);
  const lambda = await timeWeights(loss, schedule);
  return { times: timesRule(loss), timeWeights: { lambda, ...mixtureTables(schedule) } };
}

/** What of a new backbone moves, what does not, and what a step does. */
async function parts(
  config: PretrainConfig,
): Promise<Omit<Subject, 'engine' | 'config' | 'frozen'> & { readonly frozen: HostTensors }> {
  const spec = specToMake(config);
  const initial = Object.entries(initialWeights(spec, config.seed));
  const moves = new Set(trainable(spec));
  return {
    spec,
    weights: Object.fromEntries(initial.filter(([name]) => moves.has(name))),
    frozen: Object.fromEntries(initial.filter(([name]) => !moves.has(name))),
    stepOf: (options) => pretrainStep(spec, options),
    inputs: trainingInputs(spec),
    ...(await pretrainingTimes(config)),
  };
}

export interface Pretrained {
  /** Folder that `openBackbone` opens. */
  readonly path: string;
  readonly fingerprint: string;
}

/** Trains all of a backbone but fixed positions, then writes the averaged weights to backbone/ in the run. */
export async function pretrain(run: Run, config: PretrainConfig, work: Work): Promise<Pretrained> {
  const subject = await parts(config);
  const { spec, frozen } = subject;
  const onCheckpoint = previews(run, spec, config, frozen, work);
  const state = await fit({ ...work, ...subject, run, config, onCheckpoint });
  const path = join(run.path, 'backbone');
  const { steps, batch } = config.train;
  const fingerprint = await writeBackbone(
    path,
    spec,
    { ...frozen, ...part(state, 'ema') },
    {
      dtype: config.backbone.store,
      metadata: {
        made_by: 'exithead pretrain',
        seed: String(config.seed),
        images_seen: String(steps * batch),
      },
    },
  );
  return { path, fingerprint };
}

/** What training would take. Nothing is written. */
export async function rehearsePretraining(config: PretrainConfig, engine: Engine): Promise<Rehearsal> {
  return rehearse({ ...(await parts(config)), config, engine });
}
