// How do the two halves of guidance leave at exits of their own? As two plain passes, whose predictions are combined.
import type { Engine } from '../engine/engine.js';
import { openDenoiser, type Request } from './denoiser.js';
import type { Model } from './model.js';
import { promptsOf, type Prompts } from './prompts.js';

/** The steps of one batch, from noise to data. */
export interface ApartTrajectory {
  /**
   * Guided prediction, [B, outChannels, H, W] flat, see `steered`.
   * @param exit of the pass that is told the prompt
   * @param unconditional exit of the pass that is told nothing; not run where the request is unguided
   * @throws UserError if an exit remembers, and its half had no full-depth step
   */
  predict(exit: number, unconditional: number, request: Request): Promise<Float32Array>;
}

export interface ApartDenoiser {
  /** Starts a batch: each half remembers its own full-depth steps. */
  begin(): ApartTrajectory;
  /** As of a `Denoiser`. */
  warmUp(count: number): Promise<void>;
  dispose(): Promise<void>;
}

/**
 * Compiles the exits that either half will use. Each half costs what its exit costs; one pass of both halves, as
 * `openDenoiser` runs it, is a little faster where they leave together.
 */
export async function openApart(
  engine: Engine,
  model: Model,
  exits: Iterable<number>,
  prompts: Prompts = promptsOf(model.spec),
): Promise<ApartDenoiser> {
  const { none } = prompts;
  if (none === undefined) throw new Error(`${model.spec.size} cannot be guided`);
  const plain = await openDenoiser(engine, model, exits, false, prompts);
  return {
    begin() {
      const [on, off] = [plain.begin(), plain.begin()];
      return {
        async predict(exit, unconditional, request) {
          const unguided = { ...request, guidance: 1 };
          const conditional = await on.predict(exit, unguided);
          if (request.guidance === 1) return conditional;
          const nothing = new Int32Array(request.y.length).fill(none);
          const other = await off.predict(unconditional, { ...unguided, y: nothing });
          return combined(model, conditional, other, request.guidance);
        },
      };
    },
    warmUp: (count) => plain.warmUp(count),
    dispose: () => plain.dispose(),
  };
}

/** unconditional + scale (conditional - unconditional) in the channels that are guided, conditional in the others. */
function combined(
  { spec, guidedChannels = spec.channels }: Model,
  conditional: Float32Array,
  unconditional: Float32Array,
  scale: number,
): Float32Array {
  const { outChannels, imageSize } = spec;
  const [area, image] = [imageSize ** 2, outChannels * imageSize ** 2];
  return conditional.map((on, at) => {
    const channel = Math.floor((at % image) / area);
    const off = unconditional[at] ?? NaN;
    return channel < guidedChannels ? off + scale * (on - off) : on;
  });
}
