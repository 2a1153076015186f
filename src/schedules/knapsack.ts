// Which choice at every step loses least within a budget? An exact multiple-choice knapsack.
import { UserError } from '../errors.js';
import { emptyFront, extend, type Front, type Tree } from './front.js';
import { lossOf, tightest, type ChoiceProblem, type Relaxation } from './relaxation.js';

/** Rounding of sums, relative: a partial solution is given up only where it is worse by more than that. */
const rounding = 1e-9;
/** More partial solutions than this would take gigabytes. */
const mostSolutions = 30_000_000;
/** First guess of how much of the gap between bound and known solution the best one uses, and its growth. */
const [firstGuess, growth] = [1 / 256, 2];

/**
 * The choices, from the first step, that minimise the summed loss while their costs add up to at most the budget.
 * Exact, with sums in double precision. Among equal losses the cheaper solution; among those the one with the lower
 * choice at the first step where they differ.
 *
 * Dynamic programming over lists of (cost, loss), from the last step to the first. A partial solution is given up if
 * another one is no dearer and no worse, if nothing completes it within the budget, or if the Lagrangian bound proves
 * that completing it loses more than a limit. What is found below the limit is the best, since nothing below it was
 * given up; the limit therefore starts close to the bound, which keeps the lists short, and ends at a known solution.
 * @returns undefined if not even the cheapest choices keep the budget
 * @throws UserError if the search outgrows the memory
 */
export function solveKnapsack(problem: ChoiceProblem): number[] | undefined {
  const { cost, loss, budget } = problem;
  if (Math.min(...cost) * loss.length > budget) return undefined;
  const { relaxation, path } = tightest(problem);
  const known = lossOf(problem, path);
  const bound = (relaxation.least.at(-1)?.at(-1) ?? NaN) - relaxation.price * budget;
  const slack = rounding * (Math.abs(known) + relaxation.price * budget);
  for (let part = firstGuess; part < 1; part *= growth) {
    const limit = bound + part * (known - bound);
    const found = search(problem, relaxation, limit + slack);
    if (found && lossOf(problem, found) <= limit) return found;
  }
  const found = search(problem, relaxation, known + slack);
  if (!found) throw new Error('the search lost the solution that it knew');
  return found;
}

/** The best solution, if one loses at most `limit`; otherwise any or none. */
function search(problem: ChoiceProblem, { price, least }: Relaxation, limit: number): number[] | undefined {
  const { cost, loss, budget, monotone } = problem;
  const cheapest = Math.min(...cost);
  const tree: Tree = { parent: [], choice: [] };
  // Partial solutions from a step on. Where choices may not fall, list k has those whose first choice is k or more.
  const root: Front = { cost: [0], loss: [0], node: [-1] };
  let lists: readonly Front[] = cost.map(() => root);
  for (let i = loss.length - 1; i >= 0; i--) {
    const next: Front[] = [];
    let union = emptyFront();
    for (let k = cost.length - 1; k >= 0; k--) {
      const rest = (least[i - 1]?.[k] ?? 0) - price * budget;
      union = extend(
        tree,
        lists[monotone ? k : 0] ?? root,
        {
          choice: k,
          cost: cost[k] ?? NaN,
          loss: loss[i]?.[k] ?? NaN,
          keep: (spent, lost) => spent + i * cheapest <= budget && lost + price * spent + rest <= limit,
        },
        union,
      );
      next[k] = union;
    }
    lists = next;
    if (tree.parent.length > mostSolutions)
      throw new UserError(
        'the exact schedule at this budget takes too much memory: the errors of many exits are too evenly balanced. ' +
          'Ask for a slightly different speed-up, or profile with fewer exits.',
      );
  }
  // Least loss is last.
  const best = lists[0]?.node.at(-1);
  return best === undefined ? undefined : pathTo(tree, best);
}

function pathTo({ parent, choice }: Tree, node: number): number[] {
  const path: number[] = [];
  for (let at = node; at >= 0; at = parent[at] ?? -1) path.push(choice[at] ?? NaN);
  return path;
}
