import { describe, expect, it } from '@jest/globals';
import { scheduleSteps } from '../../../src/report/plots/scheduleSteps.js';
import { predict } from '../../../src/schedules/predict.js';
import type { Schedule } from '../../../src/schedules/schedule.js';
import { madeTable } from '../../schedules/tables.js';
import { corners, shapes, texts } from './svg.js';

const timesteps = [900, 700, 500, 300, 100];
const made = (exits: readonly number[]): Schedule =>
  predict({ table: madeTable(), timesteps }, exits, { speedup: 1, monotone: false, rule: 'optimal' });
const schedule = made([1, 1, 2, 2, 4]);

describe('the plot of a schedule', () => {
  it('has a bar for every step, from noise to data', () => {
    const bars = shapes(scheduleSteps(schedule, 'wide'), '.step rect');
    expect(bars.map(({ title }) => title)).toEqual([
      'step 1, native t 900: exit 1 of 4',
      'step 2, native t 700: exit 1 of 4',
      'step 3, native t 500: exit 2 of 4',
      'step 4, native t 300: exit 2 of 4',
      'step 5, native t 100: exit 4 of 4',
    ]);
    const places = bars.map((bar) => bar.number('x'));
    expect(places).toEqual([...places].sort((a, b) => a - b));
  });

  it('makes bars as high as the blocks that run', () => {
    const heights = shapes(scheduleSteps(schedule, 'wide'), '.step rect').map((bar) => bar.number('height'));
    const block = heights[0] ?? NaN;
    // Coordinates are rounded to 0.01 pixels.
    [1, 1, 2, 2, 4].forEach((exit, i) => expect((heights[i] ?? NaN) / block).toBeCloseTo(exit, 2));
  });

  it('draws one line over all of them that ends at full depth', () => {
    const svg = scheduleSteps(schedule, 'wide');
    const [line] = shapes(svg, '.exits path');
    const points = corners(line?.attribute('d') ?? '');
    const bars = shapes(svg, '.step rect');
    const last = bars.at(-1);
    expect(points[0]?.[0]).toBeCloseTo(bars[0]?.number('x') ?? NaN, 1);
    expect(points.at(-1)?.[0]).toBeCloseTo((last?.number('x') ?? NaN) + (last?.number('width') ?? NaN), 1);
    const [full] = shapes(svg, '.full line');
    expect(points.at(-1)?.[1]).toBeCloseTo(full?.number('y1') ?? NaN, 1);
  });

  it('marks full depth and the depth used', () => {
    const svg = scheduleSteps(schedule, 'wide');
    // (30 + 30 + 55 + 55 + 100) / 500 multiply-adds
    expect(texts(svg)).toContain('depth used: 54.0%');
    expect(texts(svg)).toContain('full depth: 4 blocks');
    const y = (name: string): number => shapes(svg, `.${name} line`)[0]?.number('y1') ?? NaN;
    const floor = shapes(svg, '.step rect').map((bar) => bar.number('y') + bar.number('height'))[0] ?? NaN;
    expect((floor - y('used')) / (floor - y('full'))).toBeCloseTo(0.54, 3);
  });

  it('says in words what it shows', () => {
    const label = shapes(scheduleSteps(schedule, 'narrow'), 'svg')[0]?.attribute('aria-label');
    expect(label).toBe(
      'Exit of each of the 5 sampling steps: exit 1 of 4 at native t 900, exit 4 at native t 100. Depth used: 54.0%.',
    );
  });

  it('names the native t of the first and the last step', () => {
    const words = texts(scheduleSteps(schedule, 'narrow'));
    expect(words).toContain('900');
    expect(words).toContain('100');
  });
});
