import { describe, expect, it } from '@jest/globals';
import { errorHeatMap } from '../../../src/report/plots/errorHeatMap.js';
import { ddpmBetas, diffusion } from '../../../src/diffusion/betas.js';
import { standalone } from '../../../src/report/standalone.js';
import type { ErrorTable } from '../../../src/schedules/errorTable.js';
import { binsOf } from '../../../src/schedules/timeBins.js';
import { madeTable } from '../../schedules/tables.js';
import { shapes, texts } from './svg.js';

/** Nothing measured in the second bin. */
function withHole(): ErrorTable {
  const table = madeTable();
  const holed = (rows: (number | null)[][]): (number | null)[][] =>
    rows.map((row) => row.map((value, bin) => (bin === 1 ? null : value)));
  const { mean, standardError } = table.excess;
  return { ...table, excess: { mean: holed(mean), standardError: holed(standardError) } };
}

describe('the heat map of errors', () => {
  it.each(['wide', 'narrow'] as const)('has a cell for every exit and bin (%s)', (width) => {
    const cells = shapes(errorHeatMap(madeTable(), width), '.cell rect');
    expect(cells).toHaveLength(3 * 4);
    expect(new Set(cells.map(({ title }) => title)).size).toBe(12);
  });

  it('puts data on the right, noise on the left and the deepest exit on top', () => {
    const cells = shapes(errorHeatMap(madeTable(), 'wide'), '.cell rect');
    const at = (start: string): { x: number; y: number } => {
      const cell = cells.find(({ title }) => title.startsWith(start));
      return { x: cell?.number('x') ?? NaN, y: cell?.number('y') ?? NaN };
    };
    expect(at('exit 1, t 0 to 249').x).toBeGreaterThan(at('exit 1, t 750 to 999').x);
    expect(at('exit 1, t 0 to 249').y).toBeGreaterThan(at('exit 4, t 0 to 249').y);
  });

  it('gives the ends of the colours to the least and the most excess', () => {
    const svg = errorHeatMap(madeTable(), 'wide');
    const fill = (part: string): string =>
      shapes(svg, '.cell rect')
        .find(({ title }) => title.includes(part))
        ?.attribute('fill') ?? '';
    expect(fill('exit 1, t 0 to 249: excess 0.800 ± 0.080')).toContain('var(--heat-high) 100%');
    expect(fill('exit 2, t 750 to 999: excess 0.0400 ± 0.0040')).toContain('var(--heat-mid) 0%');
  });

  it('places a value between them by its logarithm', () => {
    // The geometric mean of 0.01 and 1 is half-way.
    const table = madeTable([
      [1, 0.1],
      [0.1, 0.01],
      [0, 0],
    ]);
    const cells = shapes(errorHeatMap(table, 'wide'), '.cell rect');
    const middle = cells.find(({ title }) => title.startsWith('exit 2, t 0 to 499'));
    expect(middle?.attribute('fill')).toContain('var(--heat-mid) 100%');
  });

  it('leaves cells without excess blank and crosses out those that were not measured', () => {
    const svg = errorHeatMap(withHole(), 'wide');
    expect(shapes(svg, '.cell.none rect')).toHaveLength(3);
    expect(shapes(svg, '.missing-mark text')).toHaveLength(3);
    const missing = shapes(svg, '.cell.missing rect').map(({ title }) => title);
    expect(missing).toEqual([1, 2, 4].map((exit) => `exit ${exit}, t 250 to 499: not measured`));
    expect(shapes(svg, 'svg')[0]?.attribute('aria-label')).toContain('3 cells were not measured');
  });

  it('names native t and log-SNR at the same edges', () => {
    const words = texts(errorHeatMap(madeTable(), 'wide'));
    for (const word of ['1000', '750', '500', '250', '0', 'log-SNR']) expect(words).toContain(word);
    // ln(alphasCumprod / (1 - alphasCumprod)) of DDPM at t = 0 is ln(0.9999 / 0.0001) = 9.21; at t = 999 alphasCumprod is 4.04e-5.
    expect(words).toContain('9.2');
    expect(words).toContain('−10.1');
  });

  it('needs no exit but the backbone', () => {
    const table = madeTable([[0, 0]], [{ exit: 4, kind: 'backbone', macs: 100 }]);
    expect(shapes(errorHeatMap(table, 'wide'), '.cell.none rect')).toHaveLength(2);
  });
  it('shows the error that is asked for, and says which', () => {
    const { error, excess, rise } = madeTable();
    const table: ErrorTable = {
      ...{ ...madeTable(), x0: { error: excess, excess: error, rise }, guidance: 2 },
      error: {
        mean: error.mean.map((row) => row.map((v) => 2 * (v ?? 0))),
        standardError: error.standardError,
      },
    };
    const titlesOf = (...shown: Parameters<typeof errorHeatMap>[2][]): string[] =>
      shown.flatMap((of) => shapes(errorHeatMap(table, 'wide', of), '.cell rect').map(({ title }) => title));
    // 0.5 + 0.8, doubled.
    expect(titlesOf({ errors: 'error', kind: 'epsilon' })[0]).toBe('exit 1, t 0 to 249: error 2.60 ± 0.090');
    expect(titlesOf({ errors: 'error', kind: 'x0' })[0]).toBe('exit 1, t 0 to 249: error 0.800 ± 0.080');
    expect(titlesOf({ errors: 'excess', kind: 'x0' })[0]).toBe('exit 1, t 0 to 249: excess 1.30 ± 0.090');
    const words = texts(errorHeatMap(table, 'wide', { errors: 'error', kind: 'x0' }));
    expect(words).toContain('denoising error in x0, after guidance 2 (log scale)');
    expect(() => errorHeatMap(table, 'wide', { errors: 'excess', kind: 'v' })).toThrow(
      'holds no errors in v; it is older than these',
    );
  });

  it('draws bins equally wide where they are not equally long in native t', () => {
    const bins = binsOf('solver', diffusion(ddpmBetas), { count: 0, timesteps: [999, 300, 100, 0] });
    const svg = errorHeatMap({ ...madeTable(), binning: 'solver', bins }, 'wide');
    const cells = shapes(svg, '.cell rect');
    expect(cells[0]?.title).toBe('exit 1, t 0: excess 0.800 ± 0.080');
    const widths = cells.slice(0, 8).map((cell) => cell.number('width'));
    expect(Math.max(...widths) - Math.min(...widths)).toBeLessThan(0.1);
    // Edges lie half-way between steps.
    for (const word of ['1000', '650', '201', '51', '0']) expect(texts(svg)).toContain(word);
  });

  it('stands alone as a picture with the colours of the page', () => {
    const svg = standalone(errorHeatMap(madeTable(), 'wide'));
    expect(svg).toMatch(/^<svg[^>]* xmlns="http:\/\/www\.w3\.org\/2000\/svg"[^>]*><style>/);
    expect(svg).toContain('--heat-high: #1c2560');
    expect(shapes(svg, '.cell rect')).toHaveLength(12);
  });
});
