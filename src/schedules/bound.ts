// What is the least that any path can lose? The Lagrangian relaxation of the budget, and a path near it.
import { isEnd, pathOf, type Move, type Path, type PathProblem } from './layered.js';

/** The problem with a price on what is spent in place of the budget. */
export interface Relaxation {
  readonly price: number;
  /** Least loss + price * spending of steps 0..i-1 that lead to state s before step i, [(n + 1) * states]. */
  readonly before: Float64Array;
  /** Least loss + price * spending of a whole path. */
  readonly least: number;
  /** A path that reaches it, the cheaper of equals. */
  readonly path: Path;
  /** State before each of its steps, [n]. */
  readonly states: readonly number[];
}

/** The best at a price; undefined if there is no path. Exact, in time n times the moves. */
export function relax(problem: PathProblem, price: number): Relaxation | undefined {
  return bestOf(problem, 1, price);
}

/** The cheapest: `before` is the least spending alone. */
function cheapest(problem: PathProblem): Relaxation | undefined {
  return bestOf(problem, 0, 1);
}

/** Moves as parallel lists, by the state that they leave. */
interface Moves {
  readonly from: Int32Array;
  readonly to: Int32Array;
  /** -1 where no step is taken. */
  readonly column: Int32Array;
}

function movesThat({ moves }: PathProblem, kept: (move: Move) => boolean): Moves {
  const flat = moves.flatMap((own, from) => own.filter(kept).map((move) => ({ ...move, from })));
  return {
    from: Int32Array.from(flat, ({ from }) => from),
    to: Int32Array.from(flat, ({ to }) => to),
    column: Int32Array.from(flat, ({ column }) => column ?? -1),
  };
}

/** How the states before each step are reached best; state s before step i is place i * states + s, [(n + 1) * states]. */
interface Reached {
  readonly value: Float64Array;
  readonly spent: Float64Array;
  /** The state before, and the column taken there; -1 where the state before is one of the same step. */
  readonly from: Int32Array;
  readonly column: Int32Array;
}

/** Minimises weight * loss + price * spending. */
function bestOf(problem: PathProblem, weight: number, price: number): Relaxation | undefined {
  const { moves, spend, lose } = problem;
  const states = moves.length;
  const free = movesThat(problem, ({ column }) => column === undefined);
  const steps = movesThat(problem, ({ column }) => column !== undefined);
  const places = (lose.length + 1) * states;
  const reached: Reached = {
    value: new Float64Array(places).fill(Infinity),
    spent: new Float64Array(places).fill(Infinity),
    from: new Int32Array(places).fill(-1),
    column: new Int32Array(places).fill(-1),
  };
  const { value, spent } = reached;
  /** Takes the move if it reaches its place better than what was known. */
  const offer = (place: number, from: number, column: number, offered: number, cost: number): void => {
    const rival = value[place] ?? NaN;
    if (!(offered < rival || (offered === rival && cost < (spent[place] ?? NaN)))) return;
    value[place] = offered;
    spent[place] = cost;
    reached.from[place] = from;
    reached.column[place] = column;
  };
  offer(0, -1, -1, 0, 0);
  for (let i = 0; i <= lose.length; i++) {
    const here = i * states;
    for (let at = 0; at < free.from.length; at++) {
      const [from = 0, to = 0] = [free.from[at], free.to[at]];
      const until = value[here + from] ?? Infinity;
      if (until < Infinity) offer(here + to, from, -1, until, spent[here + from] ?? NaN);
    }
    const [costs, losses] = [spend[i], lose[i]];
    if (!costs || !losses) break;
    const next = here + states;
    for (let at = 0; at < steps.from.length; at++) {
      const from = steps.from[at] ?? 0;
      const column = steps.column[at] ?? 0;
      const until = value[here + from] ?? Infinity;
      const cost = costs[column] ?? Infinity;
      const loss = losses[column] ?? Infinity;
      if (cost < Infinity && loss < Infinity && until < Infinity)
        offer(
          next + (steps.to[at] ?? 0),
          from,
          column,
          until + weight * loss + price * cost,
          (spent[here + from] ?? NaN) + cost,
        );
    }
  }
  return traced(problem, reached, price);
}

function traced(problem: PathProblem, reached: Reached, price: number): Relaxation | undefined {
  const states = problem.moves.length;
  const n = problem.lose.length;
  const value = (state: number): number => reached.value[n * states + state] ?? Infinity;
  const spent = (state: number): number => reached.spent[n * states + state] ?? Infinity;
  const ends = problem.moves.map((_, state) => state).filter((state) => isEnd(problem, state));
  const [end = -1] = ends.toSorted((a, b) => value(a) - value(b) || spent(a) - spent(b));
  const least = value(end);
  if (!(least < Infinity)) return undefined;
  const columns: number[] = [];
  const passed: number[] = [];
  let state = end;
  for (let i = n; i >= 0;) {
    const place = i * states + state;
    const [from = -1, column = -1] = [reached.from[place], reached.column[place]];
    if (from < 0) break;
    if (column >= 0) {
      columns.push(column);
      passed.push(from);
      i--;
    }
    state = from;
  }
  return {
    price,
    before: reached.value,
    least,
    path: pathOf(problem, columns.reverse()),
    states: passed.reverse(),
  };
}

/** Far more than the best price was ever away. */
const mostPrices = 200;
/** Rounding of sums, relative. */
const rounding = 1e-12;

/** What is known of the paths within a budget before they are searched. */
export interface Near {
  readonly relaxation: Relaxation;
  /** Least spending of steps 0..i-1 that lead to state s before step i, [(n + 1) * states]. */
  readonly least: Float64Array;
  /** No path loses less, to rounding. */
  readonly bound: number;
  /** How much sums of losses may be off. */
  readonly slack: number;
  /** One that loses little. */
  readonly path: Path;
}

/**
 * The price at which the relaxation says most, and a path within the budget that loses little; undefined if there is no
 * path within it. Two paths, one dearer than the budget and one within it, cross at a price; the best path there takes
 * the place of one of them, until nothing is better at the crossing than the two.
 */
export function tightest(problem: PathProblem): Near | undefined {
  const { budget } = problem;
  let low = relax(problem, 0);
  const least = cheapest(problem);
  if (!low || !least || least.path.spent > budget) return undefined;
  let high = least;
  const near = (relaxation: Relaxation, path: Path): Near => {
    const saved = relaxation.price * budget;
    const slack = rounding * (Math.abs(path.lost) + saved);
    return { relaxation, least: least.before, bound: relaxation.least - saved - slack, slack, path };
  };
  if (low.path.spent <= budget) return near(low, low.path);
  for (let tries = 0; ; tries++) {
    const price = (high.path.lost - low.path.lost) / (low.path.spent - high.path.spent);
    const middle = relax(problem, price);
    if (!middle) throw new Error('a path that was there is gone');
    const { spent } = middle.path;
    const isBetween = spent < low.path.spent && spent > high.path.spent;
    const crossing = low.path.lost + price * low.path.spent;
    const isBetter = middle.least < crossing - rounding * Math.abs(crossing);
    if (!isBetween || !isBetter || tries === mostPrices) return near(middle, crossed(problem, high, low));
    if (spent <= budget) high = middle;
    else low = middle;
  }
}

/** The best path within the budget that begins as the one and ends as the other, where both stand in the same state. */
function crossed(problem: PathProblem, within: Relaxation, dearer: Relaxation): Path {
  let best = within.path;
  const [a, b] = [within.path.columns, dearer.path.columns];
  const n = a.length;
  const sumsOf = (columns: readonly number[], of: PathProblem['spend']): number[] =>
    columns.reduce<number[]>(
      (sums, c, i) => (sums.push((sums.at(-1) ?? 0) + (of[i]?.[c] ?? NaN)), sums),
      [0],
    );
  const [spentA, spentB] = [sumsOf(a, problem.spend), sumsOf(b, problem.spend)];
  const [lostA, lostB] = [sumsOf(a, problem.lose), sumsOf(b, problem.lose)];
  const at = (sums: readonly number[], i: number): number => sums[i] ?? NaN;
  const joined = (first: readonly number[], second: readonly number[], i: number): number =>
    at(first, i) + at(second, n) - at(second, i);
  let found = { spent: best.spent, lost: best.lost, columns: a };
  for (let i = 1; i < n; i++) {
    if (within.states[i] !== dearer.states[i]) continue;
    for (const [columns, spent, lost] of [
      [() => [...a.slice(0, i), ...b.slice(i)], joined(spentA, spentB, i), joined(lostA, lostB, i)],
      [() => [...b.slice(0, i), ...a.slice(i)], joined(spentB, spentA, i), joined(lostB, lostA, i)],
    ] as const)
      if (spent <= problem.budget && lost < found.lost) found = { spent, lost, columns: columns() };
  }
  const path = pathOf(problem, found.columns);
  // Sums in another order: what is known must keep the budget as it is summed by the search.
  if (path.spent <= problem.budget && path.lost < best.lost) best = path;
  return best;
}
