import { describe, expect, it } from '@jest/globals';
import { trainingCurves } from '../../../src/report/plots/trainingCurves.js';
import type { MetricsLine } from '../../../src/training/metrics.js';
import { corners, shapes, texts } from './svg.js';

const lines: MetricsLine[] = [1, 0.1, 0.01].map((loss, i) => ({
  step: 10 * (i + 1),
  time: 0,
  lr: 0.001,
  loss,
  'exit/3': loss / 2,
  'exit/11': loss / 4,
}));

const path = (svg: string | undefined, selector: string): [number, number][] =>
  corners(shapes(svg, selector)[0]?.attribute('d') ?? '');

describe('the training curves', () => {
  it('draw the loss and every exit, and nothing else', () => {
    const svg = trainingCurves(lines, 'wide');
    expect(shapes(svg, '.loss path')).toHaveLength(1);
    expect(
      shapes(svg, '.exit path')
        .map(({ title }) => title)
        .sort(),
    ).toEqual(['exit/11', 'exit/3']);
  });

  it('have a logarithmic axis: equal factors are equal distances', () => {
    const points = path(trainingCurves(lines, 'wide'), '.loss path');
    expect(points).toHaveLength(3);
    const [first = NaN, second = NaN, third = NaN] = points.map(([, y]) => y);
    expect(second - first).toBeGreaterThan(0);
    expect(third - second).toBeCloseTo(second - first, 1);
  });

  it('name the shallowest and the deepest exit by number', () => {
    const words = texts(trainingCurves(lines, 'narrow'));
    for (const word of ['loss', 'exit 3', 'exit 11']) expect(words).toContain(word);
  });

  it('average long runs over stretches, and keep their mean', () => {
    const long = Array.from({ length: 1000 }, (_, i) => ({ step: i, time: 0, loss: i % 2 === 0 ? 1 : 3 }));
    const svg = trainingCurves([...long, { step: 1000, time: 0, 'exit/1': 4 }], 'wide');
    const points = path(svg, '.loss path');
    expect(points).toHaveLength(200);
    const label = shapes(svg, 'svg')[0]?.attribute('aria-label');
    // Five in a row: 1 3 1 3 1 first, 3 1 3 1 3 last.
    expect(label).toContain('loss from 1.80 at step 2 to 2.20 at step 997');
  });

  it('pass over values that have no logarithm', () => {
    const svg = trainingCurves([{ step: 1, time: 0, loss: 0 }, ...lines], 'wide');
    expect(path(svg, '.loss path')).toHaveLength(3);
  });

  it('are left out when there is no loss', () => {
    expect(trainingCurves([{ step: 1, time: 0, accuracy: 0.5 }], 'wide')).toBeUndefined();
    expect(trainingCurves([], 'wide')).toBeUndefined();
  });
});
