// Which path loses least within a budget? Exact dynamic programming over a layered graph.
import { UserError } from '../errors.js';
import { emptyFront, extend, type Front, type Tree } from './front.js';
import { isEnd, pathOf, type Path, type PathProblem } from './layered.js';
import { relax, tightest, type Relaxation } from './bound.js';

/** More partial solutions than this would take gigabytes. */
const mostSolutions = 30_000_000;
/** First guess of how much of the gap between bound and known solution the best one uses, and its growth. */
const [firstGuess, growth] = [1 / 16, 4];
/** Prices beside the tightest one, as its multiples. */
const beside = [0.95, 0.99, 1.01, 1.05];

/**
 * The path that loses least among those that spend at most the budget. Exact, with sums in double precision, added from
 * the last step to the first. Among equal losses the cheaper path; among those the one with the earlier move at the first
 * difference.
 *
 * Dynamic programming over lists of (spent, lost), from the last step to the first. A partial path is given up if another
 * one from the same state is no dearer and no worse, if nothing completes it within the budget, or if a Lagrangian bound
 * proves that completing it loses more than a limit. The tightest price bounds best what spends as the best path does;
 * prices beside it what spends more or less. What is found below the limit is the best, since nothing below it was given
 * up; the limit therefore starts close to the bound, which keeps the lists short, and ends at a known solution.
 * @returns undefined if no path keeps the budget
 * @throws UserError if the search outgrows the memory
 */
export function solvePaths(problem: PathProblem): Path | undefined {
  const near = tightest(problem);
  if (!near) return undefined;
  const { relaxation, least, bound, slack } = near;
  const relaxations = [relaxation, ...besides(problem, relaxation)];
  let known = near.path;
  for (let part = firstGuess; ; part *= growth) {
    const most = bound + part * (near.path.lost - bound);
    // What is known by now may be hardly farther than the guess.
    const isLast = part >= 1 || known.lost - bound < 2 * (most - bound);
    const limit = isLast ? known.lost : most;
    const found = search(problem, relaxations, least, limit + slack);
    if (found && found.lost <= limit) return found;
    if (isLast) throw new Error('the search lost the solution that it knew');
    if (found && found.lost < known.lost) known = found;
  }
}

/** The bounds that prices beside the tightest give. */
function besides(problem: PathProblem, { price }: Relaxation): readonly Relaxation[] {
  if (price === 0) return [];
  return beside.map((of) => relax(problem, of * price)).filter((one) => one !== undefined);
}

/** A list, and the least of loss + price * spending in it. */
interface Bounded extends Front {
  readonly least: number;
}

/**
 * The best path, if one loses at most `limit`; otherwise any or none.
 * @param relaxations the tightest first
 * @param cheapestBefore least spending before each state, [(n + 1) * states]
 */
function search(
  problem: PathProblem,
  relaxations: readonly Relaxation[],
  cheapestBefore: Float64Array,
  limit: number,
): Path | undefined {
  const { moves, spend, lose, budget } = problem;
  const tree: Tree = { parent: [], choice: [] };
  const root: Bounded = { cost: [0], loss: [0], node: [-1], least: 0 };
  const none: Bounded = { ...emptyFront(), least: Infinity };
  const prices = relaxations.map(({ price }) => price);
  const [price = NaN] = prices;
  // Partial paths from a state on, from before the last step to before the first.
  let next: readonly Bounded[] = moves.map(() => none);
  for (let i = lose.length; i >= 0; i--) {
    const [costs, losses] = [spend[i], lose[i]];
    const here: Bounded[] = [];
    for (let state = moves.length - 1; state >= 0; state--) {
      const place = i * moves.length + state;
      const spentUntil = cheapestBefore[place] ?? Infinity;
      const own = moves[state] ?? [];
      let union: Front = !losses && isEnd(problem, state) ? root : emptyFront();
      if (spentUntil === Infinity) {
        here[state] = none;
        continue;
      }
      const mostValues = relaxations.map((one) => limit + one.price * budget - (one.before[place] ?? NaN));
      const mostCost = budget - spentUntil;
      const [mostValue = NaN] = mostValues;
      for (let at = own.length - 1; at >= 0; at--) {
        const { column, to } = own[at] ?? { column: undefined, to: 0 };
        const list = column === undefined ? here[to] : next[to];
        if (!list || list.cost.length === 0) continue;
        const cost = column === undefined ? 0 : costs?.[column];
        const loss = column === undefined ? 0 : losses?.[column];
        if (cost === undefined || loss === undefined || !(cost < Infinity && loss < Infinity)) continue;
        // Nothing in the list is better than its least.
        if (loss + price * cost + list.least > mostValue) continue;
        union = extend(tree, list, { choice: column, cost, loss, mostCost, prices, mostValues }, union);
      }
      here[state] = { ...union, least: leastOf(union, price) };
    }
    next = here;
    if (tree.parent.length > mostSolutions) throw new UserError(tooMuch);
  }
  // Least loss is last.
  const best = next[0]?.node.at(-1);
  return best === undefined ? undefined : pathOf(problem, columnsTo(tree, best));
}

const tooMuch =
  'the exact schedule at this budget takes too much memory: the errors of many exits are too evenly balanced. ' +
  'Ask for a slightly different speed-up, or profile with fewer exits.';

function leastOf({ cost, loss }: Front, price: number): number {
  let least = Infinity;
  for (let at = 0; at < cost.length; at++) {
    const value = (loss[at] ?? NaN) + price * (cost[at] ?? NaN);
    if (value < least) least = value;
  }
  return least;
}

function columnsTo({ parent, choice }: Tree, node: number): number[] {
  const path: number[] = [];
  for (let at = node; at >= 0; at = parent[at] ?? -1) path.push(choice[at] ?? NaN);
  return path;
}
