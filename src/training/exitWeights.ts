// How much does each exit count? Weights that add up to 1.
import { unreachable, UserError } from '../errors.js';

/**
 * Before they are scaled to add up to 1, the weights of an exit k are
 * - uniform: 1;
 * - linear: k, so that deeper exits count more;
 * - inverse: 1 / k, so that shallower ones do;
 * - macs: the share of multiply-adds that leaving there saves, 0 where the head takes more than the blocks left out;
 * - or those of a list, in ascending order of exits.
 */
export type ExitWeighting = 'uniform' | 'linear' | 'inverse' | 'macs' | readonly number[];

/** Multiply-adds of one sample. */
export interface ExitCosts {
  /** Through each exit, its head included. */
  readonly exits: readonly number[];
  /** Of the whole backbone. */
  readonly full: number;
}

/**
 * @param exits in ascending order
 * @param costs asked for by `macs` alone, since counting takes a moment
 * @returns one weight for each exit; they add up to 1
 * @throws UserError if a list does not fit the exits, or no exit would count
 */
export function exitWeights(
  weighting: ExitWeighting,
  exits: readonly number[],
  costs: () => ExitCosts,
): readonly number[] {
  const raw = rawWeights(weighting, exits, costs);
  const sum = raw.reduce((total, weight) => total + weight, 0);
  if (!(sum > 0))
    throw new UserError(
      `loss.exitWeights is ${String(weighting)}, by which none of the exits ${exits.join(', ')} counts` +
        `${weighting === 'macs' ? ': none saves multiply-adds' : ''}. Choose another weighting, or shallower exits.`,
    );
  return raw.map((weight) => weight / sum);
}

function rawWeights(
  weighting: ExitWeighting,
  exits: readonly number[],
  costs: () => ExitCosts,
): readonly number[] {
  if (typeof weighting !== 'string') {
    if (weighting.length !== exits.length)
      throw new UserError(
        `loss.exitWeights has ${weighting.length} numbers for the ${exits.length} exits ${exits.join(', ')}. Give one for each.`,
      );
    return weighting;
  }
  switch (weighting) {
    case 'uniform':
      return exits.map(() => 1);
    case 'linear':
      return exits;
    case 'inverse':
      return exits.map((exit) => 1 / exit);
    case 'macs': {
      const { exits: each, full } = costs();
      return each.map((macs) => Math.max(0, 1 - macs / full));
    }
    default:
      return unreachable(weighting);
  }
}
