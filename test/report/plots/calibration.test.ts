import { describe, expect, it } from '@jest/globals';
import type { Calibration } from '../../../src/schedules/calibration.js';
import { calibrationPlot } from '../../../src/report/plots/calibration.js';
import { corners, shapes } from './svg.js';

const share = (value: number) => ({ count: 5, predicted: value, measured: 2 * value, standardError: 0 });
const exit = (k: number, values: readonly number[]) =>
  ({ exit: k, reliability: values.map(share) }) as unknown as Calibration['exits'][number];

describe('the calibration plot', () => {
  it.each(['wide', 'narrow'] as const)(
    'has a dot for every share of every exit, and says its range: %s',
    (width) => {
      const svg = calibrationPlot({ exits: [exit(1, [0.01, 0.1]), exit(2, [0.001])] }, width) ?? '';
      expect(svg.match(/<circle/g)).toHaveLength(3);
      expect(svg).toContain('Measured error by predicted error of 2 exits, from 0.0010 to 0.20.');
      expect(svg).toContain('<title>exit 2</title>');
    },
  );

  it.each(['wide', 'narrow'] as const)(
    'places dots by logarithms, both axes alike, about a line of agreement from corner to corner: %s',
    (width) => {
      // From 0.01, the least predicted, to 1, the most measured: two powers of ten.
      const pairs = [
        [0.01, 0.04],
        [0.1, 0.02],
        [0.2, 1],
      ] as const;
      const reliability = pairs.map(([predicted, measured]) => ({ ...share(predicted), measured }));
      const svg = calibrationPlot({ exits: [{ ...exit(1, []), reliability }] }, width);
      // Lines of the grid reach from edge to edge.
      const edges = (grid: string, from: string, to: string): [number, number] => {
        const [line] = shapes(svg, `[aria-label="${grid}"] line`);
        return [line?.number(from) ?? NaN, line?.number(to) ?? NaN];
      };
      const [left, right] = edges('y-grid', 'x1', 'x2');
      const [top, bottom] = edges('x-grid', 'y1', 'y2');
      expect(right - left).toBeGreaterThan(200);
      expect(bottom - top).toBeGreaterThan(200);
      const along = (from: number, to: number, value: number): number =>
        from + ((to - from) * Math.log10(value / 0.01)) / 2;
      const dots = shapes(svg, 'circle');
      // Places are written to a hundredth of a pixel.
      expect(dots.map((dot) => dot.number('cx'))).toBeAllClose(
        pairs.map(([predicted]) => along(left, right, predicted)),
        0.02,
      );
      expect(dots.map((dot) => dot.number('cy'))).toBeAllClose(
        pairs.map(([, measured]) => along(bottom, top, measured)),
        0.02,
      );
      const [agreement] = shapes(svg, '.agreement path');
      expect(corners(agreement?.attribute('d') ?? '').flat()).toBeAllClose([left, bottom, right, top], 0.02);
    },
  );

  it('is absent where nothing was measured', () => {
    expect(calibrationPlot({ exits: [exit(1, [0])] }, 'wide')).toBeUndefined();
  });
});
