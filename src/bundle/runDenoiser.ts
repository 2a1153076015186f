// What do the samplers of a run ask? Its model, guided as its config says, told what its data tell.
import { openPrompts } from '../data/openPrompts.js';
import type { Engine } from '../engine/engine.js';
import { openApart } from '../exits/apart.js';
import { openGuided, scaleAt } from '../exits/guided.js';
import type { Model } from '../exits/model.js';
import { modelIn } from '../exits/precision.js';
import type { Prompts } from '../exits/prompts.js';
import type { Trained } from '../training/openTrained.js';
import { guidingOf } from './guiding.js';

export interface RunDenoiser {
  readonly prompts: Prompts;
  /** Begins a trajectory of a batch. */
  begin(): PredictAt;
  dispose(): Promise<void>;
}

/**
 * The prediction of an exit for x [batch, C, H, W] at native t and labels y [batch].
 * @param unconditional exit of the half of guidance that asks for nothing, where it may have its own
 */
export type PredictAt = (
  exit: number,
  x: Float32Array,
  t: number,
  y: Int32Array,
  unconditional?: number,
) => Promise<Float32Array>;

type Opened = Pick<Trained, 'config' | 'backbone' | 'model'>;

/**
 * Both halves of guidance leave at the same exit.
 * @param exits those that will be asked for
 * @throws UserError if the backbone cannot be guided as `sample` says, or its captions are not there
 */
export async function openRunDenoiser(
  trained: Opened,
  engine: Engine,
  exits: readonly number[],
): Promise<RunDenoiser> {
  const { sample } = trained.config;
  const { prompts, model } = await computing(trained);
  const denoiser = await openGuided(engine, model, exits, sample, prompts);
  return {
    prompts,
    begin() {
      const trajectory = denoiser.begin();
      return (exit, x, t, y) => trajectory.predict(exit, { x, t, y, guidance: scaleAt(sample, t) });
    },
    dispose: () => denoiser.dispose(),
  };
}

/** Each half of guidance leaves at an exit of its own; otherwise as `openRunDenoiser`. */
export async function openRunApart(
  trained: Opened,
  engine: Engine,
  exits: readonly number[],
): Promise<RunDenoiser> {
  const { sample } = trained.config;
  const { prompts, model } = await computing(trained);
  const denoiser = await openApart(engine, model, exits, prompts);
  return {
    prompts,
    begin() {
      const trajectory = denoiser.begin();
      return (exit, x, t, y, unconditional = exit) =>
        trajectory.predict(exit, unconditional, { x, t, y, guidance: scaleAt(sample, t) });
    },
    dispose: () => denoiser.dispose(),
  };
}

async function computing({ config, backbone: { spec }, model }: Opened): Promise<{
  readonly prompts: Prompts;
  readonly model: Model;
}> {
  const { guidedChannels } = guidingOf(spec, { guidance: 1 }, config.sample);
  return {
    prompts: await openPrompts(spec, config.data.captions, 'data.captions'),
    model: { ...(await modelIn(model, config.engine.frozenPrecision)), guidedChannels },
  };
}
