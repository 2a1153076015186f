// Which exit is each native t trained at? A schedule that is there before the training, as in ASE.
import type { BackboneSpec } from '../backbones/backbone.js';
import { exitsForHeads } from '../backbones/families.js';
import { unreachable, UserError } from '../errors.js';
import { exitAt, type Schedule } from '../schedules/schedule.js';

/**
 * - falling: the shape that ASE published for a DiT-XL/2 (28, 24, 20, 16 and 12 blocks, two tenths of the diffusion each,
 *   from data to noise), for any depth and any mean share of the blocks;
 * - counts: blocks in equal stretches of native t, from data to noise; ASE's lists have ten;
 * - solved: a schedule of `exithead schedule`, stretched over all times.
 */
export type ExitsRule =
  | { readonly kind: 'falling'; readonly meanDepth: number }
  | { readonly kind: 'counts'; readonly counts: readonly number[] }
  | { readonly kind: 'solved'; readonly schedule: Schedule; readonly path: string };

/** Mean share of the blocks in ASE's published shape: 20 of 28. */
export const aseDepth = 5 / 7;

/**
 * Number of blocks that run at every native t, [T].
 * @throws UserError if a count is neither an exit of this backbone nor its depth, or the schedule has other times
 */
export function exitsByTime(rule: ExitsRule, spec: BackboneSpec, steps: number): Float32Array {
  const { exits, from } = exitsOf(rule, spec, steps);
  const possible = [...exitsForHeads(spec), spec.depth];
  const wrong = exits.find((exit) => !possible.includes(exit));
  if (wrong !== undefined)
    throw new UserError(
      `${from} has ${wrong} blocks, but ${spec.size} can stop after ${possible.at(0)} to ${spec.depth}. Change it.`,
    );
  return exits;
}

function exitsOf(
  rule: ExitsRule,
  spec: BackboneSpec,
  steps: number,
): { readonly exits: Float32Array; readonly from: string } {
  switch (rule.kind) {
    case 'falling':
      return { exits: spread(fallingCounts(spec, rule.meanDepth), steps), from: 'finetune.meanDepth' };
    case 'counts':
      return { exits: spread(rule.counts, steps), from: 'finetune.exits' };
    case 'solved': {
      const { schedule, path } = rule;
      if (schedule.steps !== steps)
        throw new UserError(
          `${path} is for ${schedule.steps} diffusion steps, and diffusion.steps is ${steps}. Give a schedule with the same.`,
        );
      return { exits: Float32Array.from({ length: steps }, (_, t) => exitAt(schedule, t)), from: path };
    }
    default:
      return unreachable(rule);
  }
}

/**
 * Ten block counts that fall evenly from all blocks to 2 meanDepth - 1 of them. At 28 blocks and a mean of 5/7 they are
 * ASE's; where leaving so early has no meaning, the first exit stands.
 */
export function fallingCounts(spec: BackboneSpec, meanDepth: number): readonly number[] {
  const first = exitsForHeads(spec).at(0) ?? spec.depth;
  return Array.from({ length: 10 }, (_, tenth) => {
    const share = 1 - ((1 - meanDepth) * Math.floor(tenth / 2)) / 2;
    return Math.max(first, Math.round(spec.depth * share));
  });
}

/** ASE's rule: stretch floor(t n / T) of n. */
function spread(counts: readonly number[], steps: number): Float32Array {
  return Float32Array.from(
    { length: steps },
    (_, t) => counts[Math.floor((t * counts.length) / steps)] ?? NaN,
  );
}

/** The exits before the last block that are in use, ascending. */
export function earlyExits(exits: Float32Array, depth: number): readonly number[] {
  return [...new Set(exits)].filter((exit) => exit < depth).toSorted((a, b) => a - b);
}
