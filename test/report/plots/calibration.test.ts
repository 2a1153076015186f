import { describe, expect, it } from '@jest/globals';
import type { Calibration } from '../../../src/schedules/calibration.js';
import { calibrationPlot } from '../../../src/report/plots/calibration.js';

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

  it('is absent where nothing was measured', () => {
    expect(calibrationPlot({ exits: [exit(1, [0])] }, 'wide')).toBeUndefined();
  });
});
