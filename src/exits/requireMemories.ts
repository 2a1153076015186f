// Can heads that remember answer the calls of a sampler? What all that draws with them asks beforehand.
import { requireAlike, type Guidance } from './guided.js';
import { requireNoReturn, requireRemembered } from './memory.js';
import { isRemembering, type Model } from './model.js';

/**
 * @param halves exits of the calls, in each half of guidance
 * @param calls native times
 * @throws UserError if an exit remembers what was not yet, calls go back in time, or guidance is not the same at all times
 */
export function requireMemories(
  { plans, spec: { depth } }: Pick<Model, 'plans' | 'spec'>,
  halves: readonly (readonly number[])[],
  calls: readonly number[],
  guidance: Guidance,
): void {
  const isMemory = (exit: number): boolean => isRemembering(plans, exit);
  for (const half of halves) requireRemembered(half, depth, isMemory);
  if (!halves.flat().some(isMemory)) return;
  requireNoReturn(calls);
  requireAlike(guidance);
}
