// How does DPM-Solver step without looking back? With several calls in each step, at levels between its ends (DPM-Solver,
// Lu et al. 2022, algorithms 1 and 2; DPM-Solver++ alike).
import { lambdaOf } from '../diffusion/levels.js';
import { psi, seenIn, weightsOf, type Sees } from './dpmSolver.js';
import type { Path, Stride } from './path.js';
import { blend, type Ask, type Numbers, type Seen, type Walk, type WalkOptions } from './walk.js';

export interface Singlestep {
  readonly sees: Sees;
  readonly order: 1 | 2 | 3;
}

/**
 * As many calls as the path has strides: each step takes `order` of them and goes as far as they would together, the last
 * ones as many as are left. A step to data takes one, for lambda is infinite there.
 */
export function* singlestep({ path, start, clip }: WalkOptions, { sees, order }: Singlestep): Walk {
  let x = start;
  for (const { stride, calls } of together(path, order))
    x = yield* stepOf(sees, path, x, stride, calls, clip);
  return x;
}

/** The strides of a path, so many at once. */
function together(
  { strides }: Path,
  order: number,
): readonly { readonly stride: Stride; readonly calls: number }[] {
  const isToData = strides.at(-1)?.alphaNext === 1;
  const before = isToData ? strides.slice(0, -1) : strides;
  const groups = Array.from({ length: Math.ceil(before.length / order) }, (_, i) =>
    before.slice(i * order, (i + 1) * order),
  );
  return [...groups, ...(isToData ? [strides.slice(-1)] : [])].flatMap((group) => {
    const [first, last] = [group[0], group.at(-1)];
    return first && last ? [{ stride: { ...first, alphaNext: last.alphaNext }, calls: group.length }] : [];
  });
}

function* stepOf(
  sees: Sees,
  path: Path,
  x: Numbers,
  stride: Stride,
  calls: number,
  clip: boolean,
): Generator<Ask, Numbers, Seen> {
  const { t, alpha, alphaNext } = stride;
  function* look(ask: Ask): Generator<Ask, Numbers, Seen> {
    return seenIn(sees, ask, yield ask, clip);
  }
  const start = yield* look({ t, alpha, x });
  const { keep, scale, first, H } = weightsOf(sees, stride);
  if (calls === 1) return blend([keep, x], [-first, start]);

  /** The level at a part of the stride in lambda, and the weights to get there. */
  const within = (part: number): { level: Omit<Ask, 'x'>; weights: ReturnType<typeof weightsOf> } => {
    const lambda = lambdaOf(alpha) + part * (lambdaOf(alphaNext) - lambdaOf(alpha));
    const level = path.ofSigma(Math.exp(-lambda));
    return { level, weights: weightsOf(sees, { alpha, alphaNext: level.alpha }) };
  };
  if (calls === 2) {
    const { level, weights } = within(1 / 2);
    const middle = yield* look({ ...level, x: blend([weights.keep, x], [-weights.first, start]) });
    return blend([keep, x], [-first, middle]);
  }
  const [one, two] = [within(1 / 3), within(2 / 3)];
  const early = yield* look({ ...one.level, x: blend([one.weights.keep, x], [-one.weights.first, start]) });
  const turn = 2 * two.weights.scale * psi(two.weights.H);
  const late = yield* look({
    ...two.level,
    x: blend([two.weights.keep, x], [-two.weights.first + turn, start], [-turn, early]),
  });
  const bend = 1.5 * scale * psi(H);
  return blend([keep, x], [-first + bend, start], [-bend, late]);
}
