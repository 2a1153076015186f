import { describe, expect, it } from '@jest/globals';
import { ddpmBetas, diffusion } from '../../src/diffusion/betas.js';
import { respace } from '../../src/diffusion/respace.js';
import { settingsOf } from '../../src/samplers/settings.js';
import {
  callsOf,
  solverNames,
  solverOf,
  type SolverKeys,
  type SolverName,
} from '../../src/samplers/solvers.js';

const ddpm = diffusion(ddpmBetas);
const keys: SolverKeys = {
  ...{ solver: 'ddim', eta: 0.5, variance: 'large', order: 3, singlestep: false },
  ...{ churn: 40, churnFrom: 0.05, churnTo: 50, churnNoise: 1.003 },
};
const churn = { amount: 40, from: 0.05, to: 50, deviation: 1.003 };

describe('solverOf', () => {
  it.each([
    [{ solver: 'ddim' }, { kind: 'ddim', eta: 0.5 }],
    [{ solver: 'ddpm' }, { kind: 'ddpm', variance: 'large' }],
    [{ solver: 'euler' }, { kind: 'edm', order: 1 }],
    [{ solver: 'euler-ancestral' }, { kind: 'ddim', eta: 1 }],
    [{ solver: 'euler-maruyama' }, { kind: 'euler-maruyama' }],
    [{ solver: 'heun' }, { kind: 'edm', order: 2 }],
    [{ solver: 'edm' }, { kind: 'edm', order: 2, churn }],
    [
      { solver: 'edm', order: 1 },
      { kind: 'edm', order: 1, churn },
    ],
    [{ solver: 'f-pndm' }, { kind: 'pndm', start: 'runge-kutta', order: 4 }],
    [{ solver: 's-pndm' }, { kind: 'pndm', start: 'heun', order: 2 }],
    [{ solver: 'pndm' }, { kind: 'pndm', start: 'heun', order: 4 }],
    [
      { solver: 'dpm-solver' },
      { kind: 'multistep', sees: 'noise', order: 3, correction: 'midpoint', ending: 'steady' },
    ],
    [
      { solver: 'dpm-solver++', order: 2 },
      { kind: 'multistep', sees: 'image', order: 2, correction: 'midpoint', ending: 'steady' },
    ],
    [
      { solver: 'dpm-solver', singlestep: true },
      { kind: 'singlestep', sees: 'noise', order: 3 },
    ],
    [
      { solver: 'dpm-solver++', singlestep: true, order: 1 },
      { kind: 'singlestep', sees: 'image', order: 1 },
    ],
  ] as const)('reads of the keys what %j needs', (given, expected) => {
    expect(solverOf({ ...keys, ...given })).toEqual(expected);
  });
});

describe('settingsOf', () => {
  it.each([
    ['ddim', { eta: 0.5 }],
    ['ddpm', { eta: 0, variance: 'large' }],
    ['dpm-solver++', { eta: 0, order: 3, singlestep: false }],
    ['edm', { eta: 0, order: 3, churn: 40, churnFrom: 0.05, churnTo: 50, churnNoise: 1.003 }],
    ['heun', { eta: 0 }],
  ] as const)('keeps the keys that %s reads', (solver, expected) => {
    expect(settingsOf({ ...keys, solver })).toEqual({ solver, ...expected });
  });
});

describe('callsOf', () => {
  const ten = respace(1000, '10');
  const calls = (solver: SolverName, more: Partial<SolverKeys> = {}): number[] =>
    callsOf(solverOf({ ...keys, churn: 0, solver, ...more }), ddpm, ten);

  it('is one for each timestep where a solver asks once', () => {
    for (const solver of ['ddim', 'ddpm', 'dpm-solver', 'dpm-solver++', 'euler', 'euler-maruyama'] as const)
      expect(calls(solver)).toEqual(ten);
  });

  it('is one more for each step of Heun but the last', () => {
    expect(calls('heun')).toEqual(ten.flatMap((t, i) => (i === 0 ? [t] : [t, t])));
  });

  it('is more in the beginning where a multistep method starts', () => {
    const [a, b, c, d, ...rest] = [999, 888, 777, 666, 555, 444, 333, 222, 111, 0];
    expect(ten).toEqual([a, b, c, d, ...rest]);
    expect(calls('pndm')).toEqual([a, b, b, c, d, ...rest]);
    expect(calls('s-pndm')).toEqual([a, b, b, c, d, ...rest]);
    expect(calls('f-pndm')).toEqual([a, 943.5, 943.5, b, b, 832.5, 832.5, c, c, 721.5, 721.5, d, d, ...rest]);
  });

  it('is as many where steps take several, at levels between', () => {
    for (const order of [1, 2, 3]) {
      const asked = calls('dpm-solver++', { order, singlestep: true });
      expect(asked.length).toBe(10);
      expect(asked[0]).toBe(999);
      // Nine calls take the first nine times, the last one goes to data.
      expect(asked.at(-1)).toBe(0);
      expect(asked[order]).toBe(ten[order]);
      expect(asked.every((t, i) => t < (asked[i - 1] ?? Infinity))).toBe(true);
    }
  });

  it.each(solverNames)('never goes back in time without churn, from one step on: %s', (solver) => {
    for (const steps of [1, 2, 3, 4, 5, 20])
      for (const singlestep of [false, true]) {
        const asked = callsOf(
          solverOf({ ...keys, churn: 0, solver, singlestep }),
          ddpm,
          respace(1000, `${steps}`),
        );
        expect(asked.every((t, i) => t <= (asked[i - 1] ?? Infinity))).toBe(true);
      }
  });

  it('goes back where churn does', () => {
    const asked = calls('edm', { churn: 4, churnTo: 1e6 });
    expect(asked.some((t, i) => t > (asked[i - 1] ?? Infinity))).toBe(true);
  });
});
