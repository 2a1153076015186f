// What do the samplers of a run ask? Its model, guided as its config says, told what its data tell.
import { openPrompts } from '../data/openPrompts.js';
import type { Engine } from '../engine/engine.js';
import { openApart } from '../exits/apart.js';
import type { Request } from '../exits/denoiser.js';
import { openGuided, scaleAt } from '../exits/guided.js';
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

/**
 * @param exits those that will be asked for
 * @param options apart: whether each half of guidance leaves at an exit of its own; both at the same unless given
 * @throws UserError if the backbone cannot be guided as `sample` says, or its captions are not there
 */
export async function openRunDenoiser(
  { config, backbone: { spec }, model }: Pick<Trained, 'config' | 'backbone' | 'model'>,
  engine: Engine,
  exits: readonly number[],
  { apart = false }: { readonly apart?: boolean } = {},
): Promise<RunDenoiser> {
  const { sample } = config;
  const { guidedChannels } = guidingOf(spec, { guidance: 1 }, sample);
  const prompts = await openPrompts(spec, config.data.captions, 'data.captions');
  const computing = { ...(await modelIn(model, config.engine.frozenPrecision)), guidedChannels };
  const asked = (x: Float32Array, t: number, y: Int32Array): Request => ({
    ...{ x, t, y, guidance: scaleAt(sample, t) },
  });
  if (apart) {
    const halves = await openApart(engine, computing, exits, prompts);
    return {
      prompts,
      begin() {
        const trajectory = halves.begin();
        return (exit, x, t, y, unconditional = exit) =>
          trajectory.predict(exit, unconditional, asked(x, t, y));
      },
      dispose: () => halves.dispose(),
    };
  }
  const denoiser = await openGuided(engine, computing, exits, sample, prompts);
  return {
    prompts,
    begin() {
      const trajectory = denoiser.begin();
      return (exit, x, t, y) => trajectory.predict(exit, asked(x, t, y));
    },
    dispose: () => denoiser.dispose(),
  };
}
