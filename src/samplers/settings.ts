// What does a file say about the solver that something was measured with? The keys that the solver read.
import { z } from 'zod';
import { unreachable } from '../errors.js';
import { variances } from './ddpm.js';
import { solverNames, type SolverKeys, type SolverName } from './solvers.js';

/** The part of a JSON file that names a solver. */
export const solverFields = {
  solver: z.enum(solverNames).describe('how a step was taken'),
  eta: z.number().min(0).max(1).describe('fresh noise of ddim; other solvers have none'),
  variance: z.enum(variances).optional().describe('of ddpm; small unless given'),
  order: z.int().min(1).max(3).optional().describe('of dpm-solver, dpm-solver++ and edm'),
  singlestep: z.boolean().optional().describe('of dpm-solver and dpm-solver++'),
  churn: z.number().min(0).optional().describe('of edm, as the three that follow'),
  churnFrom: z.number().min(0).optional(),
  churnTo: z.number().min(0).optional(),
  churnNoise: z.number().min(0).optional(),
};

export type SolverSettings = Pick<SolverKeys, 'solver' | 'eta'> & Partial<SolverKeys>;

/** Those keys of the section `sample` that its solver reads. */
export function settingsOf(keys: SolverKeys): SolverSettings {
  const { solver, eta } = keys;
  const read = Object.fromEntries(keysOf(solver).map((key) => [key, keys[key]]));
  return { solver, eta: solver === 'ddim' ? eta : 0, ...read };
}

function keysOf(solver: SolverName): readonly Exclude<keyof SolverKeys, 'solver' | 'eta'>[] {
  switch (solver) {
    case 'ddpm':
      return ['variance'];
    case 'dpm-solver':
    case 'dpm-solver++':
      return ['order', 'singlestep'];
    case 'edm':
      return ['order', 'churn', 'churnFrom', 'churnTo', 'churnNoise'];
    case 'ddim':
    case 'f-pndm':
    case 's-pndm':
    case 'pndm':
    case 'euler':
    case 'euler-ancestral':
    case 'euler-maruyama':
    case 'heun':
      return [];
    default:
      return unreachable(solver);
  }
}
