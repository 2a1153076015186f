import { describe, expect, it } from '@jest/globals';
import { stages, trialName, variants } from '../../scripts/ablation/plan.js';
import { parseSetting } from '../../src/config/layers.js';
import { loadConfig } from '../../src/config/load.js';
import { withTuning } from '../../src/config/tuning.js';
import { openFrozen } from '../../src/training/openTrained.js';
import { checkTraining } from '../../src/training/modes.js';

describe('the plan of the ablation', () => {
  it.each(variants.map(({ name, set }) => [name, set] as const))(
    'has a variant %s that can be trained',
    async (_name, set) => {
      const { config } = await loadConfig('configs/mnist/ablation.yaml', {
        kind: 'train',
        set: set.map(parseSetting),
      });
      await checkTraining(withTuning(config), await openFrozen(config));
    },
  );

  it('changes one factor at a time, under names of its own', () => {
    const names = variants.map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
    expect(variants.filter(({ set }) => set.length === 0).map(({ name }) => name)).toEqual(['default']);
  });

  it('takes finalists from its variants, and gives schedules no more than their rivals', () => {
    const names = variants.map(({ name }) => name);
    for (const { trials, names: taking } of stages) {
      expect(names).toEqual(expect.arrayContaining([...taking]));
      for (const { steps, counts, budgets } of trials) {
        for (const n of budgets) expect(n).toBeLessThan(steps);
        expect(Math.max(...counts)).toBe(steps);
      }
    }
  });

  it('names trials by all that decides their samples', () => {
    const trial = {
      solver: 'ddim',
      steps: 25,
      counts: [25],
      samples: 2000,
      seeds: [0, 1],
      caching: 'none',
      budgets: [12],
    } as const;
    expect(trialName(trial)).toBe('DDIM-25, 2000 samples, seeds 0, 1');
  });
});
