// Which samples of a batch can leave at which exit? Fixed places, so that a compiled step skips the blocks of the others.

/** Samples `from` to `to` - 1 of a batch whose deepest samples come first; no other sample leaves at this exit. */
export interface ExitGroup {
  readonly exit: number;
  readonly from: number;
  readonly to: number;
}

/** Whether blocks are skipped for samples that have left, or all run all blocks and every exit looks at all of them. */
export type ExitsForm = 'skip' | 'gather';

/** Every sample may leave anywhere. @param exits by native t, [T] */
export function gatheredGroups(exits: Float32Array, batch: number): readonly ExitGroup[] {
  return inUse(exits).map((exit) => ({ exit, from: 0, to: batch }));
}

/**
 * Times spread over the diffusion (`spreadTimes`) fall into every stretch of it equally often, give or take one. So the
 * samples that leave at an exit, the deepest first, lie between the fewest that leave later and the most that have come
 * so far; a sample at the border runs to the deeper exit and counts at its own.
 *
 * Only where a time lies on the border of a stretch to the last bit can rounding put a sample outside, less than once in a
 * million steps; then it counts nowhere.
 * @param exits by native t, [T]
 * @returns exits ascending, the largest `to` first
 */
export function stratifiedGroups(exits: Float32Array, batch: number): readonly ExitGroup[] {
  const reach = (least: number): { fewest: number; most: number } => {
    const shares = stretchesWhere(exits, (exit) => exit >= least).map(
      (length) => (batch * length) / exits.length,
    );
    return {
      fewest: shares.reduce((sum, share) => sum + Math.floor(share), 0),
      most: Math.min(
        batch,
        shares.reduce((sum, share) => sum + Math.ceil(share), 0),
      ),
    };
  };
  // Stretches of a deeper exit may be more in number, and so their ceilings more in sum; its samples are some of the others.
  let to = batch;
  return inUse(exits).map((exit) => {
    to = Math.min(to, reach(exit).most);
    return { exit, from: reach(exit + 1).fewest, to };
  });
}

/** Lengths of the stretches of native t, the last t followed by the first, as shifted times are. */
function stretchesWhere(exits: Float32Array, holds: (exit: number) => boolean): readonly number[] {
  const begin = exits.findIndex((exit) => !holds(exit));
  if (begin < 0) return [exits.length];
  const lengths: number[] = [];
  let length = 0;
  for (let i = 1; i <= exits.length; i++) {
    if (holds(exits[(begin + i) % exits.length] ?? NaN)) length++;
    else if (length > 0) {
      lengths.push(length);
      length = 0;
    }
  }
  return lengths;
}

function inUse(exits: Float32Array): readonly number[] {
  return [...new Set(exits)].toSorted((a, b) => a - b);
}
