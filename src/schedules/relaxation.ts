// What is the least that any solution can lose? The Lagrangian relaxation of the budget, and a solution near it.

/** Choose one of the same K choices at each of n steps. */
export interface ChoiceProblem {
  /** Cost of every choice, whole numbers, [K]. */
  readonly cost: readonly number[];
  /** Loss of every choice at every step, from noise to data, [n][K]. */
  readonly loss: readonly (readonly number[])[];
  /** Most that the costs may add up to. */
  readonly budget: number;
  /** Whether the choice's index may never fall from one step to the next. */
  readonly monotone: boolean;
}

/** The problem with a price on cost in place of the budget. */
export interface Relaxation {
  readonly price: number;
  /** Least loss + price * cost of steps 0..i when step i takes a choice up to k (any choice if not monotone), [n][K]. */
  readonly least: readonly (readonly number[])[];
  /** Choices that reach it, [n]; among equals the cheaper. */
  readonly path: readonly number[];
}

/** The best at a price. Exact, in time n K. */
export function relax({ cost, loss, monotone }: ChoiceProblem, price: number): Relaxation {
  const best: number[][] = [];
  const least: number[][] = [];
  loss.forEach((losses, i) => {
    const before = least[i - 1];
    const value = losses.map((own, k) => own + price * (cost[k] ?? NaN) + (before?.[k] ?? 0));
    // argmin over choices up to k
    const upTo: number[] = [];
    value.forEach((own, k) => {
      const rival = upTo[k - 1];
      const least = rival === undefined ? Infinity : (value[rival] ?? NaN);
      const isBetter = own < least || (own === least && (cost[k] ?? NaN) < (cost[rival ?? k] ?? NaN));
      upTo.push(rival === undefined || isBetter ? k : rival);
    });
    const chosen = monotone ? upTo : upTo.map(() => upTo.at(-1) ?? 0);
    best.push(chosen);
    least.push(chosen.map((k) => value[k] ?? NaN));
  });
  const path: number[] = [];
  let limit = cost.length - 1;
  for (let i = loss.length - 1; i >= 0; i--) {
    const chosen = best[i]?.[limit] ?? 0;
    path[i] = chosen;
    if (monotone) limit = chosen;
  }
  return { price, least, path };
}

/** Sum of the costs of a path's choices. */
export function costOf({ cost }: ChoiceProblem, path: readonly number[]): number {
  return path.reduce((sum, k) => sum + (cost[k] ?? NaN), 0);
}

/** Sum of the losses of a path's choices. */
export function lossOf({ loss }: ChoiceProblem, path: readonly number[]): number {
  return path.reduce((sum, k, i) => sum + (loss[i]?.[k] ?? NaN), 0);
}

/** Enough to reach the last bit of a double. */
const halvings = 64;

/**
 * The lowest price whose best path keeps the budget, to rounding, and a path within the budget that loses little.
 * The cheapest path must keep the budget.
 */
export function tightest(problem: ChoiceProblem): { relaxation: Relaxation; path: readonly number[] } {
  const fits = (at: Relaxation): boolean => costOf(problem, at.path) <= problem.budget;
  let low = relax(problem, 0);
  if (fits(low)) return { relaxation: low, path: low.path };
  let high = relax(problem, startPrice(problem));
  while (!fits(high)) {
    low = high;
    high = relax(problem, 2 * high.price);
  }
  for (let i = 0; i < halvings; i++) {
    const price = (low.price + high.price) / 2;
    const middle = relax(problem, price);
    if (fits(middle)) high = middle;
    else low = middle;
  }
  return { relaxation: high, path: filled(problem, high.path, low.path) };
}

/** Loss per cost across all choices: the order of magnitude of a price. */
function startPrice({ cost, loss }: ChoiceProblem): number {
  const spread = Math.max(...loss.map((losses) => Math.max(...losses) - Math.min(...losses)));
  return spread / (Math.max(...cost) - Math.min(...cost));
}

/** Spends what the path leaves of the budget: from data to noise, takes the richer path's choice where it fits. */
function filled(problem: ChoiceProblem, path: readonly number[], richer: readonly number[]): number[] {
  const out = [...path];
  let left = problem.budget - costOf(problem, path);
  for (let i = out.length - 1; i >= 0; i--) {
    const [now = 0, then = 0] = [out[i], richer[i]];
    const more = (problem.cost[then] ?? NaN) - (problem.cost[now] ?? NaN);
    const [before = -1, after = Infinity] = [out[i - 1], out[i + 1]];
    const isInOrder = !problem.monotone || (before <= then && then <= after);
    const gains = (problem.loss[i]?.[then] ?? NaN) < (problem.loss[i]?.[now] ?? NaN);
    if (more > left || !isInOrder || !gains) continue;
    out[i] = then;
    left -= more;
  }
  return out;
}
