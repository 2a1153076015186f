import { describe, expect, it } from '@jest/globals';
import { UserError } from '../../src/errors.js';
import {
  readTrajectories,
  requireTrajectoriesOf,
  writeTrajectories,
  type Trajectories,
} from '../../src/schedules/trajectories.js';
import { scratch } from '../scratch.js';
import { exits } from './tables.js';

const { path, put } = scratch();
const rows = (last: number): (number | null)[][] => [
  [null, 0.3, 0.2],
  [0.2, 0.2, 0.1],
  [last, last, last],
];
const statistic = (last: number) => ({ mean: rows(last), standardError: rows(0) });
const table: Trajectories = {
  ...{ format: 'exithead-trajectories', version: 1, backbone: 'backbone-1', heads: 'heads-1' },
  ...{ diffusionSteps: 1000, solver: 'ddim', eta: 0, guidance: 1, clip: false, seed: 0, samples: 4 },
  timesteps: [999, 500, 0],
  exits: [...exits],
  single: { drift: statistic(0), excess: statistic(0) },
  pairs: [
    {
      ...{ first: { call: 0, exit: 2 }, second: { call: 2, exit: 1 } },
      ...{ drift: 0.5, standardError: 0.1, sum: 0.4 },
    },
  ],
  additive: { ratio: 1.25, standardError: 0.1, rankCorrelation: 0.9 },
  steps: [
    { steps: 2, drift: 0.7, standardError: 0.1 },
    { steps: 3, drift: 0, standardError: 0 },
  ],
};

describe('a file of trajectories', () => {
  it('gives back what was written', async () => {
    await writeTrajectories(path('trajectories.json'), table);
    expect(await readTrajectories(path('trajectories.json'))).toEqual(table);
  });

  it.each<[string, unknown, RegExp]>([
    [
      'missing rows',
      { ...table, exits: table.exits.slice(1) },
      /single\.drift\.mean: has 3 rows for 2 exits/,
    ],
    ['short rows', { ...table, timesteps: [999, 0] }, /single\.drift\.mean\.0: has 3 entries for 2 calls/],
    [
      'full depth that moves the sample',
      { ...table, single: { drift: statistic(1), excess: statistic(0) } },
      /single\.drift\.mean\.2: must be 0/,
    ],
    ['a time beyond the last', { ...table, diffusionSteps: 900 }, /timesteps\.0: is 999, expected less than/],
    [
      'a pair in the wrong order',
      { ...table, pairs: table.pairs.map((pair) => ({ ...pair, first: pair.second })) },
      /pairs\.0\.second\.call: is 2, expected a call after 2/,
    ],
    ['steps out of order', { ...table, steps: table.steps.toReversed() }, /steps\.1\.steps: is 2 after 3/],
    ['another solver', { ...table, solver: 'magic' }, /solver/],
    ['another format', { ...table, format: 'exithead-schedule' }, /is not a profile of trajectories/],
  ])('refuses %s', async (_, content, message) => {
    const file = put('bad.json', content);
    await expect(readTrajectories(file)).rejects.toThrow(UserError);
    await expect(readTrajectories(file)).rejects.toThrow(message);
    await expect(readTrajectories(file)).rejects.toThrow('exithead profile RUN --trajectories');
  });

  it('is refused for other heads, another backbone and another diffusion', () => {
    const own = { backbone: 'backbone-1', heads: 'heads-1', steps: 1000 };
    expect(() => requireTrajectoriesOf(table, 't.json', own)).not.toThrow();
    for (const [key, value] of Object.entries({ backbone: 'backbone-2', heads: 'heads-2', steps: 999 }))
      expect(() => requireTrajectoriesOf(table, 't.json', { ...own, [key]: value })).toThrow(UserError);
    expect(() => requireTrajectoriesOf(table, 't.json', { ...own, heads: 'heads-2' })).toThrow(
      't.json was measured on the backbone backbone-1 with the heads heads-1 over 1000 diffusion steps, and this one is ' +
        'backbone-1 with the heads heads-2 over 1000. Give the trajectories.json',
    );
  });
});
