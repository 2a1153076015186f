// What do the samplers of a run ask? Its model, guided as its config says, told what its data tell.
import { openPrompts } from '../data/openPrompts.js';
import type { Engine } from '../engine/engine.js';
import { openGuided, scaleAt } from '../exits/guided.js';
import { modelIn } from '../exits/precision.js';
import type { Prompts } from '../exits/prompts.js';
import type { Trained } from '../training/openTrained.js';
import { guidingOf } from './guiding.js';

export interface RunDenoiser {
  readonly prompts: Prompts;
  /** Begins a trajectory of a batch: the prediction of an exit for x [batch, C, H, W] at native t and labels y [batch]. */
  begin(): (exit: number, x: Float32Array, t: number, y: Int32Array) => Promise<Float32Array>;
  dispose(): Promise<void>;
}

/**
 * @param exits those that will be asked for
 * @throws UserError if the backbone cannot be guided as `sample` says, or its captions are not there
 */
export async function openRunDenoiser(
  { config, backbone: { spec }, model }: Pick<Trained, 'config' | 'backbone' | 'model'>,
  engine: Engine,
  exits: readonly number[],
): Promise<RunDenoiser> {
  const { sample } = config;
  const { guidedChannels } = guidingOf(spec, { guidance: 1 }, sample);
  const prompts = await openPrompts(spec, config.data.captions, 'data.captions');
  const computing = { ...(await modelIn(model, config.engine.frozenPrecision)), guidedChannels };
  const denoiser = await openGuided(engine, computing, exits, sample, prompts);
  return {
    prompts,
    begin() {
      const trajectory = denoiser.begin();
      return (exit, x, t, y) => trajectory.predict(exit, { x, t, y, guidance: scaleAt(sample, t) });
    },
    dispose: () => denoiser.dispose(),
  };
}
