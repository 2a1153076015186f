import { describe, expect, it } from '@jest/globals';
import { UserError } from '../../src/errors.js';
import { fewerSteps, scheduledTimes } from '../../src/schedules/scheduledTimes.js';

const of = (steps: number | number[], stepCounts: number[] = []) => ({
  ...{ schedule: { steps }, profile: { stepCounts }, diffusion: { steps: 100 } },
});
const counts = (config: ReturnType<typeof of>): number[] => fewerSteps(config).map(({ steps }) => steps);

describe('the steps that are profiled', () => {
  it('are those of the schedule, of several numbers the most', () => {
    expect(scheduledTimes(of(4))).toEqual([99, 66, 33, 0]);
    expect(scheduledTimes(of([2, 4, 3]))).toEqual([99, 66, 33, 0]);
  });

  it('are fewer by shares, or the other numbers of the schedule, or those asked for', () => {
    expect(counts(of(50))).toEqual([20, 25, 30, 35, 40, 45]);
    expect(counts(of(3))).toEqual([1, 2]);
    expect(counts(of(1))).toEqual([]);
    expect(counts(of([50, 10, 20]))).toEqual([10, 20]);
    expect(counts(of([50, 10, 20], [30, 5, 5]))).toEqual([5, 30]);
    expect(fewerSteps(of(4, [2]))).toEqual([{ steps: 2, timesteps: [99, 0] }]);
  });

  it('are refused where they are not fewer', () => {
    expect(() => fewerSteps(of(20, [10, 20]))).toThrow(UserError);
    expect(() => fewerSteps(of(20, [10, 20]))).toThrow(
      'profile.stepCounts holds 20, but these are compared with the 20 steps of schedule.steps; give fewer.',
    );
  });
});
