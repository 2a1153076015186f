// How is one step taken with several calls? In stages, each from where the step began along the noise seen last; at the
// end along a mean of all that was seen.
import type { Level } from '../diffusion/levels.js';
import { along, blend, noiseIn, type Ask, type Numbers, type Seen } from './walk.js';

/** A call, and where the step goes with what is seen there. */
export interface Stage {
  readonly at: Level;
  /** alphasCumprod from and to which x is taken. */
  readonly from: number;
  readonly to: number;
  /** Part of what is seen here in the noise that the step follows in the end. */
  readonly weight: number;
}

/** Euler's method: one call. */
export function eulerStages(from: Level, alphaNext: number): readonly Stage[] {
  return [{ at: from, from: from.alpha, to: alphaNext, weight: 1 }];
}

/** Heun's method: the mean of both ends. */
export function heunStages(from: Level, next: Level): readonly Stage[] {
  const stage = { from: from.alpha, to: next.alpha, weight: 1 / 2 };
  return [
    { ...stage, at: from },
    { ...stage, at: next },
  ];
}

/** The classical Runge-Kutta method: both ends, and the middle twice. */
export function rungeKuttaStages(from: Level, middle: Level, next: Level): readonly Stage[] {
  const start = { from: from.alpha };
  return [
    { ...start, at: from, to: middle.alpha, weight: 1 / 6 },
    { ...start, at: middle, to: middle.alpha, weight: 1 / 3 },
    { ...start, at: middle, to: next.alpha, weight: 1 / 3 },
    { ...start, at: next, to: next.alpha, weight: 1 / 6 },
  ];
}

/** Where a step in stages ends, and the noise that was seen where it began. */
export interface Staged {
  readonly x: Numbers;
  readonly first: Numbers;
}

/** @param stages at least one */
export function* inStages(x: Numbers, stages: readonly Stage[], clip: boolean): Generator<Ask, Staged, Seen> {
  const noises: Numbers[] = [];
  let reached = x;
  for (const [i, { at, from, to }] of stages.entries()) {
    const ask = { ...at, x: reached };
    noises.push(noiseIn(ask, yield ask, clip));
    const isLast = i === stages.length - 1;
    reached = along(x, isLast ? mean(noises, stages) : (noises.at(-1) ?? x), from, to);
  }
  const [first] = noises;
  if (!first) throw new Error('a step has at least one stage');
  return { x: reached, first };
}

function mean(noises: readonly Numbers[], stages: readonly Stage[]): Numbers {
  const [first, ...others] = noises.map((noise, i) => [stages[i]?.weight ?? NaN, noise] as const);
  if (!first) throw new Error('a step has at least one stage');
  return blend(first, ...others);
}
