// What should a schedule cost and lose? The additive model: weighted excesses of its steps, from the error table.
import { logSnr } from '../diffusion/betas.js';
import { oldestNative } from './choices.js';
import { remembering } from './errorTable.js';
import { lossOf } from './excess.js';
import { requireMeasured, weightsOf, type SolveOptions } from './options.js';
import { agesOf, depthOf, refreshesOf, secondsUsedOf, type Asked, type Schedule } from './schedule.js';

/**
 * A schedule of these exits, with what it should cost and lose. Exits of one bin were measured on the same samples, so
 * within a bin standard errors add up, the most they can; bins are independent, so their squares do.
 * @param exits of every step
 * @param unconditional of the half of guidance that asks for nothing, where it has exits of its own
 */
export function predict(
  options: SolveOptions,
  exits: readonly number[],
  asked: Asked,
  unconditional?: readonly number[],
): Schedule {
  const { table, timesteps, measured, diffusion } = options;
  const [bins, weights] = [requireMeasured(options), weightsOf(options)];
  const depth = table.exits.at(-1)?.exit ?? NaN;
  const chosen = {
    timesteps: [...timesteps],
    exits: [...exits],
    ...(unconditional && { unconditional: [...unconditional] }),
  };
  const ages = agesOf(chosen, depth);
  const steps = bins.map((bin, i) => {
    const weight = weights[i] ?? NaN;
    const index = (exit: number | undefined): number => table.exits.findIndex((at) => at.exit === exit);
    const other = unconditional && { unconditional: index(unconditional[i]) };
    const { mean, standardError } = lossOf(options, { exit: index(exits[i]), ...other }, bin, ages[i]);
    return { excess: weight * mean, error: weight * standardError };
  });
  const errors = alike(bins).map((inBin) => sum(inBin.map((i) => steps[i]?.error ?? NaN)));
  const depthUsed = depthOf(table.exits, exits, unconditional);
  return {
    format: 'exithead-schedule',
    version: 2,
    backbone: table.backbone,
    heads: table.heads,
    steps: table.steps,
    available: [...table.exits],
    ...chosen,
    ...(diffusion && { logSnr: timesteps.map((t) => logSnr(diffusion, Math.floor(t))) }),
    ...(remembering(table.exits).length > 0 && { refreshes: refreshesOf(chosen, depth) }),
    weights: [...weights],
    profiled: {
      ...(table.ages && { oldestMemory: oldestNative(table) }),
      timestepsOnly: table.binning === 'solver',
    },
    ...(measured && { measured }),
    asked,
    predicted: {
      depthUsed,
      speedup: 1 / depthUsed,
      excess: sum(steps.map(({ excess }) => excess)),
      excessStandardError: Math.hypot(...errors),
      ...(measured && { secondsUsed: secondsUsedOf(table.exits, measured, exits, unconditional) }),
    },
  };
}

/** Indices of equal keys together, in the order in which keys appear. */
export function alike<Key>(keys: readonly Key[]): number[][] {
  const groups = new Map<Key, number[]>();
  keys.forEach((key, i) => {
    const group = groups.get(key);
    if (group) group.push(i);
    else groups.set(key, [i]);
  });
  return [...groups.values()];
}

export function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
