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

/** One more choice. */
export interface Extension {
  /** Undefined where nothing is chosen, and solutions only go on. */
  readonly choice: number | undefined;
  readonly cost: number;
  readonly loss: number;
  /** Whether a solution of that cost and loss, this choice included, is still of use. */
  readonly keep: (cost: number, loss: number) => boolean;
}

/** What a list that has ended is compared as. */
const endless = Number.POSITIVE_INFINITY;

/**
 * The front of `others` and of every solution of `front` extended by one choice, in one pass over both. Of equal
 * solutions the extended one stays. The tree grows by those that are new in the result.
 */
export function extend(tree: Tree, front: Front, added: Extension, others: Front): Front {
  const out = emptyFront();
  const push = (cost: number, loss: number, node: number): void => {
    out.cost.push(cost);
    out.loss.push(loss);
    out.node.push(node);
  };
  const grown = (node: number): number => {
    if (added.choice === undefined) return node;
    tree.choice.push(added.choice);
    return tree.parent.push(node) - 1;
  };
  let least = Infinity;
  let [i, j] = [0, 0];
  while (i < front.cost.length || j < others.cost.length) {
    const cost = (front.cost[i] ?? endless) + added.cost;
    const loss = (front.loss[i] ?? endless) + added.loss;
    const otherCost = others.cost[j] ?? endless;
    const otherLoss = others.loss[j] ?? endless;
    if (cost < otherCost || (cost === otherCost && loss <= otherLoss)) {
      if (loss < least && added.keep(cost, loss)) {
        push(cost, loss, grown(front.node[i] ?? -1));
        least = loss;
      }
      i++;
    } else {
      if (otherLoss < least) {
        push(otherCost, otherLoss, others.node[j] ?? -1);
        least = otherLoss;
      }
      j++;
    }
  }
  return out;
}
