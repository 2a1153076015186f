// When is guidance on? At all times or on an interval of them: outside it, one pass does for two (Kynkäänniemi et al.,
// "Applying Guidance in a Limited Interval Improves Sample and Distribution Quality", NeurIPS 2024).
import type { Engine } from '../engine/engine.js';
import { UserError } from '../errors.js';
import { openDenoiser, type Denoiser } from './denoiser.js';
import type { Model } from './model.js';
import { promptsOf, type Prompts } from './prompts.js';

/** How strongly a sampler guides, and when. */
export interface Guidance {
  /** Scale of classifier-free guidance; 1 is unguided. */
  readonly guidance: number;
  /** Native times from and to which it is on, both included; all unless given. */
  readonly guidanceInterval?: readonly number[] | undefined;
}

/** The scale at native t; 1 is unguided. */
export function scaleAt({ guidance, guidanceInterval }: Guidance, t: number): number {
  const [from = -Infinity, to = Infinity] = guidanceInterval ?? [];
  return t >= from && t <= to ? guidance : 1;
}

/** How many channels guidance moves, from the first; undefined where all of them. */
export function channelsOf({
  guidanceChannels = 'all',
}: {
  readonly guidanceChannels?: number | 'all' | undefined;
}): number | undefined {
  return guidanceChannels === 'all' ? undefined : guidanceChannels;
}

/** Passes through the backbone that a call at native t takes. */
export function passesAt(guidance: Guidance, t: number): 1 | 2 {
  return scaleAt(guidance, t) === 1 ? 1 : 2;
}

/** The native times that guidance is on between, if that is not always or never. */
export function partOf({ guidance, guidanceInterval }: Guidance): Guidance['guidanceInterval'] {
  return guidance === 1 ? undefined : guidanceInterval;
}

/**
 * For heads that remember: a memory of two passes is none of one.
 * @throws UserError if guidance is not the same at all times
 */
export function requireAlike(guidance: Guidance): void {
  const part = partOf(guidance);
  if (part)
    throw new UserError(
      'heads that remember need full-depth steps that are guided as they are, and guidance is on from native t ' +
        `${part.join(' to ')} alone. Leave sample.guidanceInterval out, or set sample.guidance to 1.`,
    );
}

/** A denoiser that takes one pass for requests that are unguided, and two for the others; see `openDenoiser`. */
export async function openGuided(
  engine: Engine,
  model: Model,
  exits: Iterable<number>,
  { guidance, guidanceInterval }: Guidance,
  prompts: Prompts = promptsOf(model.spec),
): Promise<Denoiser> {
  if (guidance === 1) return openDenoiser(engine, model, exits, false, prompts);
  if (!guidanceInterval) return openDenoiser(engine, model, exits, true, prompts);
  const used = [...exits];
  const guided = await openDenoiser(engine, model, used, true, prompts);
  const plain = await openDenoiser(engine, model, used, false, prompts);
  return {
    begin() {
      const [on, off] = [guided.begin(), plain.begin()];
      return {
        predict: (exit, request) => (request.guidance === 1 ? off : on).predict(exit, request),
      };
    },
    async warmUp(count) {
      await guided.warmUp(count);
      await plain.warmUp(count);
    },
    async dispose() {
      await guided.dispose();
      await plain.dispose();
    },
  };
}
