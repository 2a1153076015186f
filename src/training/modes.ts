// What does a run of `exithead train` move? Heads alone, or the backbone with them, by one key of its config.
import { hasNewRows } from '../backbones/labels.js';
import type { OpenedBackbone } from '../checkpoints/backbone.js';
import type { TrainConfig } from '../config/schema.js';
import { tuningOf } from '../config/tuning.js';
import type { Engine } from '../engine/engine.js';
import { unreachable } from '../errors.js';
import { rehearseTuning, tune, tuningParts } from './finetune.js';
import type { Rehearsal, Work } from './fit.js';
import type { Run } from './runFolder.js';
import { headsObjective, rehearseHeads, trainHeads } from './trainHeads.js';

/**
 * Finds mistakes before there is a run.
 * @param run folder of the run, if there is one
 * @throws UserError if the config does not fit the backbone
 */
export async function checkTraining(
  config: TrainConfig,
  backbone: OpenedBackbone,
  run?: string,
): Promise<void> {
  switch (config.mode) {
    case 'frozen':
      await headsObjective(config, backbone);
      return;
    case 'finetune':
    case 'lora':
      await tuningParts(config, backbone, run);
      return;
    default:
      return unreachable(config.mode);
  }
}

/** Why some classes will mean nothing after the training, if so. */
export function untrainedLabels(
  config: Pick<TrainConfig, 'mode' | 'backbone' | 'finetune' | 'lora'>,
): string | undefined {
  const { labels } = config.backbone;
  if (labels === undefined || !hasNewRows(labels)) return undefined;
  const meaning = 'backbone.labels makes rows new, which stay the random numbers they start as:';
  const mend = 'a mean or a class of the backbone has a meaning from the start.';
  switch (config.mode) {
    case 'frozen':
      return `${meaning} mode frozen moves no table of labels. Set mode=finetune, or choose other rows; ${mend}`;
    case 'finetune':
      return undefined;
    case 'lora':
      return tuningOf(config).lora.labels
        ? undefined
        : `${meaning} mode lora moves the table of labels under lora.labels=true alone. Set that, or choose other rows; ${mend}`;
    default:
      return unreachable(config.mode);
  }
}

/**
 * Trains, and leaves what `openTrained` opens.
 * @returns path of the heads
 */
export function trainRun(
  run: Run,
  config: TrainConfig,
  backbone: OpenedBackbone,
  work: Work,
): Promise<string> {
  switch (config.mode) {
    case 'frozen':
      return trainHeads(run, config, backbone, work);
    case 'finetune':
    case 'lora':
      return tune(run, config, backbone, work);
    default:
      return unreachable(config.mode);
  }
}

/** What training would take. Nothing is written. */
export function rehearseRun(
  config: TrainConfig,
  backbone: OpenedBackbone,
  engine: Engine,
): Promise<Rehearsal> {
  switch (config.mode) {
    case 'frozen':
      return rehearseHeads(config, backbone, engine);
    case 'finetune':
    case 'lora':
      return rehearseTuning(config, backbone, engine);
    default:
      return unreachable(config.mode);
  }
}
