import { describe, expect, it } from '@jest/globals';
import { fPndm, plms, sPndm } from '../../src/samplers/pndm.js';
import type { Solver } from '../../src/samplers/solvers.js';
import { exact, lambdaPath, walkThrough } from './gaussian.js';

const [from, to] = [-1, 2];

/** How far a solver ends from where the flow goes. */
function errorOf(solver: Solver, steps: number): number {
  const path = lambdaPath(from, to, steps);
  const [first, last] = [path.strides[0], path.strides.at(-1)];
  const end = exact(1.3, first?.alpha ?? NaN, last?.alphaNext ?? NaN);
  return Math.abs((walkThrough(solver, path, [1.3]).x[0] ?? NaN) - end);
}

const multistep = { kind: 'multistep', ending: 'never', correction: 'midpoint' } as const;

describe('the error along the exact flow', () => {
  it.each<[order: number, solver: Solver]>([
    [1, { kind: 'ddim', eta: 0 }],
    [1, { kind: 'edm', order: 1 }],
    [2, { kind: 'edm', order: 2 }],
    ...(['noise', 'image'] as const).flatMap((sees): [number, Solver][] => [
      [1, { ...multistep, sees, order: 1 }],
      [2, { ...multistep, sees, order: 2 }],
      [2, { ...multistep, sees, order: 2, correction: 'heun' }],
      [1, { kind: 'singlestep', sees, order: 1 }],
      [2, { kind: 'singlestep', sees, order: 2 }],
      [3, { kind: 'singlestep', sees, order: 3 }],
    ]),
  ])('falls with the %d. power of the steps: %j', (order, solver) => {
    // 96 and 192 calls are whole steps of every order. One order less would give half the exponent's base.
    const fall = Math.log2(errorOf(solver, 96) / errorOf(solver, 192));
    expect(fall).toBeGreaterThan(order - 0.4);
    expect(fall).toBeLessThan(order + 0.75);
  });

  // What looks back begins with a step of a lower order, and PNDM counts on steps that are equally long.
  it.each<Solver>([
    { ...multistep, sees: 'noise', order: 3 },
    { ...multistep, sees: 'image', order: 3 },
    { kind: 'pndm', ...sPndm },
    { kind: 'pndm', ...fPndm },
    { kind: 'pndm', ...plms },
  ])('falls with the square of the steps where a solver looks back further: %j', (solver) => {
    expect(Math.log2(errorOf(solver, 96) / errorOf(solver, 192))).toBeGreaterThan(1.7);
  });
});
