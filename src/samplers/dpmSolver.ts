// How does DPM-Solver step? Lu et al., "DPM-Solver", NeurIPS 2022, and "DPM-Solver++", 2022.
//
// Both solve dx/dlambda exactly but for what the model sees, which they take for a polynomial of lambda = ln(sqrt(alpha) /
// sqrt(1 - alpha)): DPM-Solver for the noise in x, DPM-Solver++ for the image in it. With H = h for the one and -h for the
// other, h being the difference of lambda, both are x' = keep x - scale (phi(H) D0 + ... ), D0, D1, D2 being what is seen and
// its scaled differences.
import { lambdaOf } from '../diffusion/levels.js';
import type { Path, Stride } from './path.js';
import {
  blend,
  imageIn,
  noiseIn,
  type Ask,
  type Numbers,
  type Seen,
  type Walk,
  type WalkOptions,
} from './walk.js';

/** What is taken for a polynomial: DPM-Solver the noise, DPM-Solver++ the image. */
export type Sees = 'noise' | 'image';

export interface Multistep {
  readonly sees: Sees;
  readonly order: 1 | 2 | 3;
  /** How order 2 weighs the difference: like the midpoint rule (DPM-Solver++(2M)), or exactly, like Heun. */
  readonly correction: 'midpoint' | 'heun';
  /**
   * How far the order falls at the end; a step to data is always of order 1, for lambda is infinite there:
   * - steady: with fewer than 15 strides the last one is of order 1 and the one before of order 2, as in the official code;
   * - last: the last one is of order 1;
   * - never.
   */
  readonly ending: 'steady' | 'last' | 'never';
}

/** Multistep: one call for each stride, and what was seen at those before it. */
export function* multistep({ path, start, clip }: WalkOptions, method: Multistep): Walk {
  const { sees } = method;
  const past: Point[] = [];
  let x = start;
  for (const [i, { t, alpha, alphaNext }] of path.strides.entries()) {
    const ask = { t, alpha, x };
    past.unshift({ lambda: lambdaOf(alpha), seen: seenIn(sees, ask, yield ask, clip) });
    past.splice(method.order);
    const order = Math.min(past.length, method.order, highest(path, i, method));
    x = step(sees, x, { alpha, alphaNext }, past.slice(0, order), method.correction);
  }
  return x;
}

/** What was seen, and where. */
export interface Point {
  readonly lambda: number;
  readonly seen: Numbers;
}

/** What a method takes for a polynomial. */
export function seenIn(sees: Sees, ask: Ask, seen: Seen, clip: boolean): Numbers {
  return sees === 'noise' ? noiseIn(ask, seen, clip) : imageIn(ask, seen, clip);
}

function highest({ strides }: Path, i: number, { ending }: Multistep): number {
  const left = strides.length - i;
  if (left === 1 && strides[i]?.alphaNext === 1) return 1;
  const isSteady = ending === 'steady' && strides.length < 15;
  return left === 1 && (isSteady || ending === 'last') ? 1 : left === 2 && isSteady ? 2 : 3;
}

/** The weights of x and of what is seen, between two levels. */
export function weightsOf(
  sees: Sees,
  { alpha, alphaNext }: Pick<Stride, 'alpha' | 'alphaNext'>,
): { readonly keep: number; readonly scale: number; readonly first: number; readonly H: number } {
  const [signal, spread] = [Math.sqrt(alpha), Math.sqrt(1 - alpha)];
  const [signalNext, spreadNext] = [Math.sqrt(alphaNext), Math.sqrt(1 - alphaNext)];
  const h = lambdaOf(alphaNext) - lambdaOf(alpha);
  switch (sees) {
    case 'noise': {
      const keep = signalNext / signal;
      // scale (exp(h) - 1), which stays finite on the way to data.
      return { keep, scale: spreadNext, first: keep * spread - spreadNext, H: h };
    }
    case 'image': {
      const keep = spreadNext / spread;
      return { keep, scale: signalNext, first: keep * signal - signalNext, H: -h };
    }
  }
}

/** exp(z) - 1 over z, less 1: how a difference counts. */
export const psi = (z: number): number => Math.expm1(z) / z - 1;

/** @param past as many points as the order, the newest first */
function step(
  sees: Sees,
  x: Numbers,
  stride: Pick<Stride, 'alpha' | 'alphaNext'>,
  past: readonly Point[],
  correction: Multistep['correction'],
): Numbers {
  const { keep, scale, first, H } = weightsOf(sees, stride);
  const [now, before, earlier] = past;
  if (!now) throw new Error('a step looks at least at what it has just seen');
  if (!before) return blend([keep, x], [-first, now.seen]);
  const h = Math.abs(H);
  // Differences over the strides before, in units of this one.
  const r0 = (now.lambda - before.lambda) / h;
  if (!earlier) {
    const weight = correction === 'midpoint' ? first / 2 : scale * psi(H);
    return blend([keep, x], [-first - weight / r0, now.seen], [weight / r0, before.seen]);
  }
  const r1 = (before.lambda - earlier.lambda) / h;
  const newer = blend([1 / r0, now.seen], [-1 / r0, before.seen]);
  const older = blend([1 / r1, before.seen], [-1 / r1, earlier.seen]);
  const slope = blend([1 + r0 / (r0 + r1), newer], [-r0 / (r0 + r1), older]);
  const bend = blend([1 / (r0 + r1), newer], [-1 / (r0 + r1), older]);
  return blend(
    [keep, x],
    [-first, now.seen],
    [-scale * psi(H), slope],
    [-scale * ((Math.expm1(H) - H) / (H * H) - 0.5), bend],
  );
}
