// Which solvers are there, by kind and by name?
import type { Diffusion } from '../diffusion/betas.js';
import { unreachable } from '../errors.js';
import { ddimStep } from './ddim.js';
import { ddpmStep, type Variance } from './ddpm.js';
import { multistep, type Multistep, type Sees } from './dpmSolver.js';
import { singlestep, type Singlestep } from './dpmSolverSingle.js';
import { edm, type Churn } from './edm.js';
import { eulerMaruyamaStep } from './eulerMaruyama.js';
import { walkBy } from './move.js';
import { pathThrough } from './path.js';
import { fPndm, plms, pndm, sPndm, type Pndm } from './pndm.js';
import type { Walk, WalkOptions } from './walk.js';

export type Solver =
  | {
      readonly kind: 'ddim';
      /** 0 is deterministic, 1 as noisy as DDPM. */
      readonly eta: number;
    }
  | {
      readonly kind: 'ddpm';
      /** Where the model does not learn it; small unless given. */
      readonly variance?: Variance;
    }
  | { readonly kind: 'euler-maruyama' }
  | {
      readonly kind: 'edm';
      /** 1 is Euler, 2 is Heun. */
      readonly order: 1 | 2;
      /** None unless given. */
      readonly churn?: Churn;
    }
  | ({ readonly kind: 'pndm' } & Pndm)
  | ({ readonly kind: 'multistep' } & Multistep)
  | ({ readonly kind: 'singlestep' } & Singlestep);

/** The way that a solver walks. */
export function solve(solver: Solver, options: WalkOptions): Walk {
  switch (solver.kind) {
    case 'ddim':
      return walkBy(options, (move) => ddimStep(move, solver.eta));
    case 'ddpm':
      return walkBy(options, (move) => ddpmStep(move, solver.variance ?? 'small'));
    case 'euler-maruyama':
      return walkBy(options, eulerMaruyamaStep);
    case 'edm':
      return edm(options, solver.order, solver.churn);
    case 'pndm':
      return pndm(options, solver);
    case 'multistep':
      return multistep(options, solver);
    case 'singlestep':
      return singlestep(options, solver);
    default:
      return unreachable(solver);
  }
}

/**
 * Native times of a solver's calls, in their order: one for each of its timesteps, or several.
 * @param timesteps native times, descending, from noise to data
 */
export function callsOf(solver: Solver, diffusion: Diffusion, timesteps: readonly number[]): number[] {
  const nothing = new Float32Array();
  const path = pathThrough(diffusion, timesteps);
  const walk = solve(solver, { path, start: nothing, clip: false, noise: () => nothing });
  const times: number[] = [];
  for (let next = walk.next(); !next.done; next = walk.next({ epsilon: nothing })) times.push(next.value.t);
  return times;
}

/** Solvers by the names of `sample.solver`. */
export const solverNames = [
  'ddim',
  'ddpm',
  'dpm-solver',
  'dpm-solver++',
  'f-pndm',
  's-pndm',
  'pndm',
  'euler',
  'euler-ancestral',
  'euler-maruyama',
  'heun',
  'edm',
] as const;
export type SolverName = (typeof solverNames)[number];

/** The keys of the section `sample` that say how a step is taken. */
export interface SolverKeys {
  readonly solver: SolverName;
  readonly eta: number;
  readonly variance: Variance;
  /** 1 to 3. */
  readonly order: number;
  readonly singlestep: boolean;
  readonly churn: number;
  readonly churnFrom: number;
  readonly churnTo: number;
  readonly churnNoise: number;
}

/** The solver that the section `sample` of a config names; keys that it does not read mean nothing to it. */
export function solverOf(keys: SolverKeys): Solver {
  const { solver, eta, variance } = keys;
  switch (solver) {
    case 'ddim':
      return { kind: solver, eta };
    case 'ddpm':
      return { kind: solver, variance };
    case 'dpm-solver':
      return dpmSolver('noise', keys);
    case 'dpm-solver++':
      return dpmSolver('image', keys);
    case 'f-pndm':
      return { kind: 'pndm', ...fPndm };
    case 's-pndm':
      return { kind: 'pndm', ...sPndm };
    case 'pndm':
      return { kind: 'pndm', ...plms };
    case 'euler':
      return { kind: 'edm', order: 1 };
    case 'euler-ancestral':
      // The same in other coordinates (docs/solvers.md).
      return { kind: 'ddim', eta: 1 };
    case 'euler-maruyama':
      return { kind: solver };
    case 'heun':
      return { kind: 'edm', order: 2 };
    case 'edm': {
      const { order, churn: amount, churnFrom: from, churnTo: to, churnNoise: deviation } = keys;
      return { kind: 'edm', order: order === 1 ? 1 : 2, churn: { amount, from, to, deviation } };
    }
    default:
      return unreachable(solver);
  }
}

function dpmSolver(sees: Sees, { order: asked, singlestep }: SolverKeys): Solver {
  const order = asked === 1 ? 1 : asked === 2 ? 2 : 3;
  return singlestep
    ? { kind: 'singlestep', sees, order }
    : { kind: 'multistep', sees, order, correction: 'midpoint', ending: 'steady' };
}
