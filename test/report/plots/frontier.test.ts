import { describe, expect, it } from '@jest/globals';
import { frontierPlot } from '../../../src/report/plots/frontier.js';
import { predict } from '../../../src/schedules/predict.js';
import type { Schedule } from '../../../src/schedules/schedule.js';
import { madeTable } from '../../schedules/tables.js';
import { shapes, texts } from './svg.js';

const made = (exits: readonly number[]): Schedule =>
  predict({ table: madeTable(), timesteps: [900, 100] }, exits, {
    speedup: 1,
    monotone: false,
    rule: 'optimal',
  });
// Excess 0.1 and 0.04 at t = 900, 0.8 and 0.3 at t = 100; costs 30, 55, 100.
const optimal = [made([2, 4]), made([1, 4]), made([1, 2]), made([4, 4])];
const uniform = [made([1, 1]), made([2, 2]), made([2, 2])];

describe('the plot of the frontier', () => {
  it('has a mark for every schedule with excess, by speed-up, and each once', () => {
    const svg = frontierPlot({ optimal, uniform }, undefined, 'wide');
    expect(shapes(svg, '.optimal path, .optimal circle').map(({ title }) => title)).toEqual([
      '1.29 times as fast: excess 0.0400',
      '1.54 times as fast: excess 0.100',
      '2.35 times as fast: excess 0.400',
    ]);
    expect(shapes(svg, '.uniform path, .uniform circle').map(({ title }) => title)).toEqual([
      '1.82 times as fast: excess 0.340',
      '3.33 times as fast: excess 0.900',
    ]);
  });

  it('says its extremes in words', () => {
    const label = shapes(frontierPlot({ optimal, uniform }, undefined, 'wide'), 'svg')[0];
    expect(label?.attribute('aria-label')).toBe(
      'Predicted excess by speed-up: the best exits from 1.29 times as fast: excess 0.0400 to 2.35 times as fast: ' +
        'excess 0.400; one exit at every step from 1.82 times as fast: excess 0.340 to 3.33 times as fast: excess 0.900.',
    );
  });

  it('rings the schedule that was chosen, where it lies on the curve', () => {
    const svg = frontierPlot({ optimal, uniform }, made([1, 4]), 'wide');
    const [ring] = shapes(svg, '.chosen circle');
    expect(ring?.title).toBe('1.54 times as fast: excess 0.100');
    const translation = `translate(${ring?.attribute('cx')},${ring?.attribute('cy')})`;
    const marks = shapes(svg, '.optimal path, .optimal circle');
    const places = marks.map(
      (mark) => mark.attribute('transform') || `translate(${mark.attribute('cx')},${mark.attribute('cy')})`,
    );
    expect(places).toContain(translation);
    expect(texts(svg)).toContain('this schedule');
  });

  it('names no series that is not there', () => {
    const words = texts(frontierPlot({ optimal, uniform: [] }, undefined, 'narrow'));
    expect(words).toContain('best exit for each step');
    expect(words).not.toContain('same exit at every step');
  });

  it('is left out when no schedule has excess', () => {
    expect(frontierPlot({ optimal: [made([4, 4])], uniform: [] }, undefined, 'wide')).toBeUndefined();
  });
});
