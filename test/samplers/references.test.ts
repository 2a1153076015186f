import { describe, expect, it } from '@jest/globals';
import { ddpmBetas, diffusion } from '../../src/diffusion/betas.js';
import { levelAt } from '../../src/diffusion/levels.js';
import type { Path } from '../../src/samplers/path.js';
import { fPndm, plms, pndm, sPndm } from '../../src/samplers/pndm.js';
import { solve, type Solver } from '../../src/samplers/solvers.js';
import type { Stage } from '../../src/samplers/stages.js';
import type { Numbers, Walk, WalkOptions } from '../../src/samplers/walk.js';
import {
  aseRuns,
  between,
  callTimes,
  inflated,
  preconditioned,
  schedulerRuns,
  sigmaPath,
  stridingPath,
  toy,
  type SchedulerRun,
} from './fixture.js';

const ddpm = diffusion(ddpmBetas);
type Network = (x: number, t: number, alpha: number) => number;
type Kind = 'float32' | 'float64';
const numbers = (kind: Kind, values: readonly number[], scale = 1): Numbers => {
  const scaled = values.map((value) => value * scale);
  return kind === 'float32' ? Float32Array.from(scaled) : Float64Array.from(scaled);
};

interface Walked {
  /** Where it asked. */
  readonly times: readonly number[];
  /** State after each call, and alphasCumprod there. */
  readonly states: readonly { readonly x: Numbers; readonly alpha: number }[];
}

function walked(walk: Walk, end: number, network: Network): Walked {
  const times: number[] = [];
  const states: { x: Numbers; alpha: number }[] = [];
  let next = walk.next();
  while (!next.done) {
    const { x, t, alpha } = next.value;
    times.push(t);
    states.push({ x, alpha });
    next = walk.next({ epsilon: x.map((value) => network(value, t, alpha)) });
  }
  return { times, states: [...states.slice(1), { x: next.value, alpha: end }] };
}

interface Reference extends Pick<SchedulerRun, 'x' | 'x_f64' | 'max_abs_x'> {
  /** Native times of the calls. */
  readonly times: readonly number[];
  readonly x_init: readonly number[];
  readonly noise?: SchedulerRun['noise'];
  readonly clip?: boolean;
  /** Of all coordinates, in single precision. */
  readonly tolerance?: number;
}

/**
 * In double precision to 1e-9 of the largest number, and in single precision to 1e-5, call by call.
 * @param isInflated whether states are in the coordinates of EDM
 */
function expectParity(
  reference: Reference,
  path: Path,
  walk: (options: WalkOptions) => Walk,
  { network = toy, isInflated = false }: { network?: Network; isInflated?: boolean } = {},
): void {
  const [first, last] = [path.strides[0], path.strides.at(-1)];
  const follow = (kind: Kind): Walked => {
    const scale = isInflated ? Math.sqrt(first?.alpha ?? NaN) : 1;
    const start = numbers(kind, reference.x_init, scale);
    const noise = (stride: number): Numbers => numbers(kind, reference.noise?.[stride] ?? []);
    const options = { path, start, clip: reference.clip ?? false, noise };
    return walked(walk(options), last?.alphaNext ?? NaN, network);
  };
  const compare = ({ times, states }: Walked, expected: SchedulerRun['x'], tolerance: number): void => {
    expect(times).toBeAllClose(reference.times, 1e-9);
    expect(states.length).toBe(expected.length);
    states.forEach(({ x, alpha }, i) =>
      expect(isInflated ? inflated(x, alpha) : x).toBeAllClose(
        expected[i] ?? [],
        tolerance * reference.max_abs_x,
      ),
    );
  };
  compare(follow('float64'), reference.x_f64, 1e-9);
  compare(follow('float32'), reference.x, reference.tolerance ?? 1e-5);
}

/** @param solver a kind, or what it is for the run */
function expectSolver(
  run: SchedulerRun,
  path: Path,
  solver: Solver,
  options: Parameters<typeof expectParity>[3] = {},
): void {
  const { use_karras_sigmas, solver_order, lower_order_final, clip_sample } = run.config;
  const isRough = use_karras_sigmas === true || (solver_order === 3 && lower_order_final === false);
  const reference = {
    ...run,
    times: callTimes(run),
    clip: clip_sample ?? false,
    tolerance: isRough ? 2e-5 : 1e-5,
  };
  expectParity(reference, path, (given) => solve(solver, given), options);
}

describe('DDIM and DDPM of diffusers', () => {
  it.each([...schedulerRuns('ddim'), ...schedulerRuns('ddim_eta')])('are followed: $name', (run) => {
    expectSolver(run, stridingPath(run), { kind: 'ddim', eta: run.step_kwargs.eta ?? 0 });
  });

  it.each(schedulerRuns('ddpm'))('are followed: $name', (run) => {
    const levels = run.timesteps.map((t) => levelAt(ddpm, t));
    const strides = levels.map((level, i) => ({ ...level, alphaNext: levels[i + 1]?.alpha ?? 1 }));
    const variance = run.config.variance_type === 'fixed_large' ? 'large' : 'small';
    expectSolver(run, { ...between, strides }, { kind: 'ddpm', variance });
  });
});

describe('DPM-Solver of diffusers', () => {
  it.each(schedulerRuns('dpmsolver'))('is followed: $name', (run) => {
    const { algorithm_type, solver_order: order = 2, solver_type: correction = 'midpoint' } = run.config;
    const { euler_at_final, lower_order_final } = run.config;
    expectSolver(run, sigmaPath(run), {
      kind: 'multistep',
      ...{ order, correction, sees: algorithm_type === 'dpmsolver' ? 'noise' : 'image' },
      ending: euler_at_final ? 'last' : lower_order_final ? 'steady' : 'never',
    });
  });
});

describe('Euler and Heun of diffusers', () => {
  it.each(schedulerRuns('euler'))('are followed: $name', (run) => {
    expectSolver(run, sigmaPath(run), { kind: 'edm', order: 1 }, { isInflated: true });
  });

  it.each(schedulerRuns('heun'))('are followed: $name', (run) => {
    expectSolver(run, sigmaPath(run), { kind: 'edm', order: 2 }, { isInflated: true });
  });

  it.each(schedulerRuns('euler_ancestral'))('are followed by DDIM with eta 1: $name', (run) => {
    expectSolver(run, sigmaPath(run), { kind: 'ddim', eta: 1 }, { isInflated: true });
  });
});

describe('the schedulers of EDM of diffusers', () => {
  it.each(schedulerRuns('edm'))('are followed with a network preconditioned as in EDM: $name', (run) => {
    const { solver_order: order, sigma_data = NaN, lower_order_final } = run.config;
    const solver: Solver =
      order === undefined
        ? { kind: 'edm', order: 1 }
        : {
            kind: 'multistep',
            ...{ sees: 'image', correction: 'midpoint', order },
            ending: lower_order_final ? 'steady' : 'never',
          };
    const network: Network = (x, t, alpha) => preconditioned(x, t, alpha, sigma_data);
    expectSolver(run, sigmaPath(run), solver, { network, isInflated: true });
  });
});

describe('PNDM of diffusers', () => {
  const a = (t: number): number => ddpm.alphasCumprod[t] ?? NaN;
  const timesOf = ({ config, num_inference_steps: steps }: SchedulerRun): number[] => {
    const all = Array.from({ length: steps }, (_, i) => steps - 1 - i);
    switch (config.timestep_spacing) {
      case 'linspace':
        return all.map((i) => Math.round((i * 999) / (steps - 1)));
      case 'trailing':
        return all.map((i) => (i + 1) * (1000 / steps) - 1);
      case 'leading':
      case undefined:
      default:
        return all.map((i) => i * Math.floor(1000 / steps) + (config.steps_offset ?? 0));
    }
  };
  /** With linspace it steps by 1000 / steps, wherever the next time is. */
  const strayStart = (run: SchedulerRun, times: readonly number[]): readonly (readonly Stage[])[] => {
    const stride = Math.floor(1000 / run.num_inference_steps);
    const stage = (at: number, from: number, to: number, weight: number): Stage => ({
      ...{ at: levelAt(ddpm, at), from: a(from), to: a(to), weight },
    });
    if (run.config.skip_prk_steps) {
      const [first = NaN, second = NaN] = times;
      return [[stage(first, first, first - stride, 1 / 2), stage(second, second + stride, second, 1 / 2)]];
    }
    const half = Math.floor(stride / 2);
    return times.slice(0, 3).map((t, i) => {
      const next = times[i + 1] ?? NaN;
      return [
        stage(t, t, t - half, 1 / 6),
        stage(next + half, t, next + half, 1 / 3),
        stage(next + half, t, next, 1 / 3),
        stage(next, t, next, 1 / 6),
      ];
    });
  };

  it.each(schedulerRuns('pndm'))('is followed: $name', (run) => {
    const times = timesOf(run);
    const path = stridingPath(run, times);
    const method = run.config.skip_prk_steps ? plms : fPndm;
    if (run.config.timestep_spacing !== 'linspace')
      return expectSolver(run, path, { kind: 'pndm', ...method });
    expectParity({ ...run, times: run.timesteps, clip: false }, path, (given) =>
      pndm(given, method, strayStart(run, times)),
    );
  });
});

describe('the samplers of ASE', () => {
  const methods: Readonly<Record<'DDIM' | 'S-PNDM' | 'F-PNDM', Solver>> = {
    DDIM: { kind: 'ddim', eta: 0 },
    'S-PNDM': { kind: 'pndm', ...sPndm },
    'F-PNDM': { kind: 'pndm', ...fPndm },
  };
  /** Noise levels are one step later there than the time the model is told, fractions cut off. */
  const alpha = (t: number): number => ddpm.alphasCumprod[Math.trunc(t) + 1] ?? NaN;

  it.each(aseRuns())('are followed: $name', (run) => {
    const strides = run.step_pairs.map(([t, next]) => ({ t, alpha: alpha(t), alphaNext: alpha(next) }));
    const path: Path = { ...between, strides, at: (t) => ({ t, alpha: alpha(t) }) };
    // The reference has the state after each step, not after each call.
    const starts = run.model_call_timesteps.map((_, i) =>
      run.model_call_timesteps.slice(0, i + 1).reduce((sum, times) => sum + times.length, 0),
    );
    for (const [kind, expected, tolerance] of [
      ['float64', run.x_f64, 1e-9],
      ['float32', run.x, 1e-5],
    ] as const) {
      const options = { path, start: numbers(kind, run.x_init), clip: false, noise: () => numbers(kind, []) };
      const { times, states } = walked(solve(methods[run.method], options), NaN, toy);
      expect(times).toEqual(run.model_call_timesteps.flat());
      starts.forEach((calls, step) =>
        expect(states[calls - 1]?.x ?? []).toBeAllClose(expected[step] ?? [], tolerance * run.max_abs_x),
      );
    }
  });
});
