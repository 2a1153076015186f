// How does PNDM step? Liu et al., "Pseudo Numerical Methods for Diffusion Models on Manifolds", ICLR 2022.
import type { Path, Stride } from './path.js';
import { eulerStages, heunStages, inStages, rungeKuttaStages, type Stage } from './stages.js';
import {
  along,
  blend,
  noiseIn,
  type Ask,
  type Numbers,
  type Seen,
  type Walk,
  type WalkOptions,
} from './walk.js';

/** Which pseudo numerical method, and how it starts: a multistep method has nothing to look back to in the beginning. */
export interface Pndm {
  /** The first three steps by Runge-Kutta, with four calls each, or the first one by Heun with two. */
  readonly start: 'runge-kutta' | 'heun';
  /** How many noises a step looks at, once they are there. */
  readonly order: 2 | 4;
}

/** F-PNDM of the paper (algorithm 2); PNDM of diffusers with its Runge-Kutta steps. */
export const fPndm: Pndm = { start: 'runge-kutta', order: 4 };
/** S-PNDM of the paper (appendix A.6). */
export const sPndm: Pndm = { start: 'heun', order: 2 };
/** Pseudo linear multistep of Katherine Crowson; PNDM of diffusers without Runge-Kutta steps. */
export const plms: Pndm = { start: 'heun', order: 4 };

/** The stages of a start; the other steps look back. */
export function startOf({ start }: Pndm, path: Path): readonly (readonly Stage[])[] {
  const steps = start === 'runge-kutta' ? 3 : 1;
  return path.strides.slice(0, steps).map((stride, i) => {
    const next = path.strides[i + 1];
    // There is nothing to see in data.
    if (!next) return eulerStages(stride, stride.alphaNext);
    return start === 'heun'
      ? heunStages(stride, next)
      : rungeKuttaStages(stride, path.at((stride.t + next.t) / 2), next);
  });
}

/** @param starting unless given, `startOf` the method */
export function* pndm(
  { path, start, clip }: WalkOptions,
  method: Pndm,
  starting: readonly (readonly Stage[])[] = startOf(method, path),
): Walk {
  const past: Numbers[] = [];
  let x = start;
  for (const stages of starting) {
    const { x: reached, first } = yield* inStages(x, stages, clip);
    past.unshift(first);
    x = reached;
  }
  for (const stride of path.strides.slice(starting.length)) {
    past.unshift(yield* seenAt(stride, x, clip));
    past.splice(method.order);
    x = along(x, lookingBack(past), stride.alpha, stride.alphaNext);
  }
  return x;
}

function* seenAt({ t, alpha }: Stride, x: Numbers, clip: boolean): Generator<Ask, Numbers, Seen> {
  const ask = { t, alpha, x };
  return noiseIn(ask, yield ask, clip);
}

/** Adams-Bashforth coefficients, the newest first (PNDM, equation 12). */
const adamsBashforth = [
  [1],
  [3 / 2, -1 / 2],
  [23 / 12, -16 / 12, 5 / 12],
  [55 / 24, -59 / 24, 37 / 24, -9 / 24],
] as const;

/** The noise that a multistep method follows. @param past one to four, the newest first */
function lookingBack(past: readonly Numbers[]): Numbers {
  const weights = adamsBashforth[past.length - 1];
  const [first, ...others] = past.map((noise, i) => [weights?.[i] ?? NaN, noise] as const);
  if (!first) throw new Error('a step looks at least at what it has just seen');
  return blend(first, ...others);
}
