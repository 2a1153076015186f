// Which solvers are there?
import { unreachable } from '../errors.js';
import { ddimStep } from './ddim.js';
import { ddpmStep } from './ddpm.js';
import type { Move } from './move.js';

export type Solver =
  | {
      readonly kind: 'ddim';
      /** 0 is deterministic, 1 as noisy as DDPM. */
      readonly eta: number;
    }
  | { readonly kind: 'ddpm' };

/** One step of a solver. */
export function solve(solver: Solver, move: Move): Float32Array {
  switch (solver.kind) {
    case 'ddim':
      return ddimStep(move, solver.eta);
    case 'ddpm':
      return ddpmStep(move);
    default:
      return unreachable(solver);
  }
}

/** The solver that the section `sample` of a config names. */
export function solverOf({ solver, eta }: { readonly solver: Solver['kind']; readonly eta: number }): Solver {
  switch (solver) {
    case 'ddim':
      return { kind: solver, eta };
    case 'ddpm':
      return { kind: solver };
    default:
      return unreachable(solver);
  }
}
