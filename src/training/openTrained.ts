// What did a run of `exithead train` leave? Its config, backbone and heads, opened and checked.
import { isDeepStrictEqual } from 'node:util';
import { loadConfig } from '../config/load.js';
import type { Setting } from '../config/layers.js';
import type { TrainConfig } from '../config/schema.js';
import { openBackbone, type OpenedBackbone } from '../checkpoints/backbone.js';
import { unreachable, UserError } from '../errors.js';
import { isFile } from '../files/disk.js';
import type { StoredModel } from '../exits/model.js';
import { readHeads, type TrainedHeads } from '../exits/headsFile.js';
import { tunedBackbonePath } from './finetune.js';
import { openRun, type Run } from './runFolder.js';
import { headsPath } from './trainHeads.js';

export interface Trained {
  readonly run: Run;
  /** As the run was started, with the settings of this call on top. */
  readonly config: TrainConfig;
  readonly backbone: OpenedBackbone;
  readonly heads: TrainedHeads;
  /** Both together. */
  readonly model: StoredModel;
}

/**
 * The backbone of a config for heads.
 * @throws UserError if it cannot be opened, or was made for other diffusion steps or predicts something else
 */
export async function openFrozen({
  backbone,
  diffusion,
}: Pick<TrainConfig, 'backbone' | 'diffusion'>): Promise<OpenedBackbone> {
  const opened = await openBackbone(backbone);
  const { timeSteps, prediction } = opened.spec;
  if (timeSteps !== diffusion.steps)
    throw new UserError(
      `diffusion.steps is ${diffusion.steps}, but the backbone ${opened.source} knows ${timeSteps} steps. ` +
        'Set diffusion as the backbone was trained, or give time_steps in its config.json if that lacks it.',
    );
  if (prediction !== diffusion.prediction)
    throw new UserError(
      `diffusion.prediction is ${diffusion.prediction}, but the backbone ${opened.source} predicts ${prediction}. ` +
        'Set diffusion as the backbone was trained, or give prediction in its config.json if that lacks it.',
    );
  return opened;
}

/**
 * The backbone that the heads of a finished run stand on: that of its config, or the one that it has made of it.
 * @param path of the run folder
 * @throws UserError as `openFrozen` does
 */
export function openBackboneOf(path: string, config: TrainConfig): Promise<OpenedBackbone> {
  const { mode, backbone, diffusion } = config;
  switch (mode) {
    case 'frozen':
      return openFrozen({ backbone, diffusion });
    case 'finetune':
    case 'lora':
      return openFrozen({ backbone: { path: tunedBackbonePath(path), weights: 'auto' }, diffusion });
    default:
      return unreachable(mode);
  }
}

/**
 * @param path of a run folder
 * @param set settings on top of its config: what profile and schedule shall do differently
 * @throws UserError if the run is not finished, its backbone has changed since, or a setting would compute the backbone
 * in other numbers than those that the heads were trained on
 */
export async function openTrained(path: string, set: readonly Setting[] = []): Promise<Trained> {
  const run = await openRun(path);
  const { config } = await loadConfig(run.config, { kind: 'train', set });
  if (set.length > 0) await requireOwnTraining(run, config);
  if (!(await isFile(headsPath(run))))
    throw new UserError(
      `${path} has no heads.safetensors yet: its training is not finished. Go on with \`exithead train ${path} --resume\`.`,
    );
  const backbone = await openBackboneOf(path, config);
  const { spec, weights, fingerprint } = backbone;
  const heads = await readHeads(headsPath(run), spec, fingerprint);
  return {
    ...{ run, config, backbone, heads },
    model: { spec, backbone: weights, plans: heads.plans, heads: heads.weights },
  };
}

async function requireOwnTraining(run: Run, { mode, engine, finetune }: TrainConfig): Promise<void> {
  const { config } = await loadConfig(run.config, { kind: 'train' });
  const { frozenPrecision } = config.engine;
  if (mode !== config.mode)
    throw new UserError(
      `${run.path} was trained in mode ${config.mode}, so the rest of the run cannot be in mode ${mode}. Leave mode out, or train a run of that mode.`,
    );
  if (!isDeepStrictEqual(finetune, config.finetune))
    throw new UserError(
      `${run.path} was trained at the exits of its own section finetune, so the rest of the run cannot have another. Leave finetune out.`,
    );
  if (engine.frozenPrecision === frozenPrecision) return;
  throw new UserError(
    `${run.path} trained its heads on a backbone in ${frozenPrecision}, so the rest of the run cannot have it in ` +
      `${engine.frozenPrecision}. Leave engine.frozenPrecision out, or train heads with it.`,
  );
}
