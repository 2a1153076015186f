// Which partial solutions can still be the best? Lists of (cost, loss) in which more cost always buys less loss.

/** Partial solutions, cost ascending and loss strictly descending. Parallel lists, since there may be many. */
export interface Front {
  readonly cost: number[];
  readonly loss: number[];
  /** The last choice of each, in the tree. */
  readonly node: number[];
}

/** All choices that led somewhere; a path from a node to the root (-1) is a partial solution. */
export interface Tree {
  readonly parent: number[];
  readonly choice: number[];
}

export function emptyFront(): Front {
  return { cost: [], loss: [], node: [] };
}

/** One more choice, and what is still of use with it. */
export interface Extension {
  /** Undefined where nothing is chosen, and solutions only go on. */
  readonly choice: number | undefined;
  readonly cost: number;
  readonly loss: number;
  /** Most that a solution may cost, this choice included. */
  readonly mostCost: number;
  /** Most that its loss + price * cost may be, for several prices. */
  readonly prices: readonly number[];
  readonly mostValues: readonly number[];
}

/**
 * The front of `others` and of every solution of `front` extended by one choice, in one pass over both. Of equal
 * solutions the extended one stays. The tree grows by those that are new in the result.
 */
export function extend(tree: Tree, front: Front, added: Extension, others: Front): Front {
  const { choice, cost: more, loss: worse, mostCost, prices, mostValues } = added;
  const [costs, losses, nodes] = [front.cost, front.loss, front.node];
  const [otherCosts, otherLosses, otherNodes] = [others.cost, others.loss, others.node];
  const [n, m] = [costs.length, otherCosts.length];
  const out = emptyFront();
  let least = Infinity;
  let [i, j] = [0, 0];
  // What a list that has ended is compared as: a read beyond an array is slow.
  let [cost, loss] = n > 0 ? [(costs[0] ?? 0) + more, (losses[0] ?? 0) + worse] : [Infinity, Infinity];
  let [otherCost, otherLoss] = m > 0 ? [otherCosts[0] ?? 0, otherLosses[0] ?? 0] : [Infinity, Infinity];
  while (i < n || j < m) {
    if (cost < otherCost || (cost === otherCost && loss <= otherLoss)) {
      if (cost > mostCost) {
        // Costs ascend: none of the rest is of use.
        [i, cost, loss] = [n, Infinity, Infinity];
        continue;
      }
      if (loss < least && isWithin(cost, loss, prices, mostValues)) {
        let node = nodes[i] ?? -1;
        if (choice !== undefined) {
          tree.choice.push(choice);
          node = tree.parent.push(node) - 1;
        }
        out.cost.push(cost);
        out.loss.push(loss);
        out.node.push(node);
        least = loss;
      }
      i++;
      if (i < n) {
        cost = (costs[i] ?? 0) + more;
        loss = (losses[i] ?? 0) + worse;
      } else {
        cost = Infinity;
        loss = Infinity;
      }
    } else {
      if (otherLoss < least) {
        out.cost.push(otherCost);
        out.loss.push(otherLoss);
        out.node.push(otherNodes[j] ?? -1);
        least = otherLoss;
      }
      j++;
      if (j < m) {
        otherCost = otherCosts[j] ?? 0;
        otherLoss = otherLosses[j] ?? 0;
      } else {
        otherCost = Infinity;
        otherLoss = Infinity;
      }
    }
  }
  return out;
}

/** Whether it may still be the best, at every price. */
function isWithin(
  cost: number,
  loss: number,
  prices: readonly number[],
  mostValues: readonly number[],
): boolean {
  for (let p = 0; p < prices.length; p++)
    if (!(loss + (prices[p] ?? NaN) * cost <= (mostValues[p] ?? NaN))) return false;
  return true;
}
