import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { UserError } from '../../src/errors.js';
import { imageGrid } from '../../src/report/grid.js';
import { reportPage, writeReport, type Report } from '../../src/report/page.js';
import { predict } from '../../src/schedules/predict.js';
import type { Schedule } from '../../src/schedules/schedule.js';
import { temporaryFolders } from '../folder.js';
import { madeTable } from '../schedules/tables.js';
import { shapes } from './plots/svg.js';

const folder = temporaryFolders();

const made = (exits: readonly number[]): Schedule =>
  predict({ table: madeTable(), timesteps: [900, 500, 100] }, exits, {
    speedup: 1,
    monotone: false,
    rule: 'optimal',
  });

/** A report with every part, each text made by `text` from a word. */
async function whole(text: (word: string) => string): Promise<Report> {
  const picture = await imageGrid(new Float32Array(16), { channels: 1, imageSize: 2 });
  return {
    title: text('title'),
    subtitle: text('subtitle'),
    headline: [{ label: text('label'), value: text('value'), note: text('note') }],
    pictures: ['full', 'scheduled'].map((word) => ({
      title: text(word),
      caption: text(`caption-${word}`),
      alt: text(`alt-${word}`),
      picture,
    })),
    comparison: {
      columns: [text('measure'), text('column')],
      rows: [[text('row'), text('cell')]],
    },
    schedule: made([1, 2, 4]),
    frontier: { optimal: [made([1, 2, 4]), made([1, 1, 2])], uniform: [made([2, 2, 2])] },
    errorTable: madeTable(),
    training: [1, 2].map((step) => ({ step, time: 0, loss: 1 / step, 'exit/1': 2 / step })),
    facts: [{ label: text('fact'), value: text('thing') }],
    next: [{ purpose: text('purpose'), command: text('command') }],
  };
}

const hostile = `</title></style></script><script>alert(1)</script><img src=x onerror=alert(1)>"' onload='x' &amp;`;

describe('the report page', () => {
  it('shows every part that is given', async () => {
    const page = reportPage(await whole((word) => `the ${word}`));
    for (const word of 'title subtitle label value note full caption-full alt-full measure column row cell fact thing purpose command'.split(
      ' ',
    ))
      expect(page).toContain(`the ${word}`);
    expect(page.match(/<h2>[^<]*/g)).toEqual([
      '<h2>Samples',
      '<h2>Comparison',
      '<h2>Which exit each step runs',
      '<h2>What speed costs',
      '<h2>Where leaving early hurts',
      '<h2>Training',
      '<h2>What was run',
      '<h2>Go on from here',
    ]);
    expect(page.match(/How to read this/g)).toHaveLength(4);
  });

  it('needs nothing but a title', () => {
    const page = reportPage({ title: 'A run' });
    expect(page).toContain('<h1>A run</h1>');
    expect(page).not.toContain('<section');
    expect(page).not.toContain('undefined');
  });

  it('leaves out a plot without data', () => {
    const page = reportPage({ title: 'A run', training: [], frontier: { optimal: [], uniform: [] } });
    expect(page).not.toContain('<svg');
  });

  it('loads nothing and runs nothing', async () => {
    const page = reportPage(await whole((word) => word));
    expect(page).not.toMatch(/<script/i);
    expect(page).not.toMatch(/<(link|iframe|object|embed|base|form)\b/i);
    expect(page).not.toMatch(/\son\w+=/i);
    expect(page).not.toMatch(/@import|url\(/i);
    const loaded = [...page.matchAll(/(?:src|href|srcset|data|action)="([^"]*)"/g)].map(
      ([, address]) => address,
    );
    expect(loaded).toHaveLength(2);
    for (const address of loaded) expect(address).toMatch(/^data:image\/png;base64,[A-Za-z0-9+/]+=*$/);
    expect(page).toContain(
      `content="default-src 'none'; img-src data:; style-src 'unsafe-inline'"`.replaceAll("'", '&#39;'),
    );
  });

  it('escapes hostile text in every field', async () => {
    const calm = reportPage(await whole(() => 'calm'));
    const page = reportPage(await whole(() => hostile));
    expect(page).not.toContain(hostile);
    expect(page).not.toMatch(/<script|<img src=x/);
    // Nothing of the text became an element or an attribute: without it the pages are equal.
    const escaped = hostile
      .replaceAll('&', '&amp;')
      .replaceAll('<', '&lt;')
      .replaceAll('>', '&gt;')
      .replaceAll('"', '&quot;')
      .replaceAll("'", '&#39;');
    expect(page.replaceAll(escaped, 'calm')).toBe(calm);
    expect(page.split(escaped)).toHaveLength(calm.split('calm').length);
  });

  it('says in words what its pictures and plots show', async () => {
    const page = reportPage(await whole((word) => word));
    const pictures = shapes(page, 'img');
    expect(pictures.map((picture) => picture.attribute('alt'))).toEqual(['alt-full', 'alt-scheduled']);
    const plots = shapes(page, 'svg');
    expect(plots).toHaveLength(2 * 4);
    for (const plot of plots) {
      expect(plot.attribute('role')).toBe('img');
      expect(plot.attribute('aria-label')).toMatch(/^[A-Z].*\.$/);
    }
  });

  it('tells what the cells of its table belong to, and the language', async () => {
    const page = reportPage(await whole((word) => word));
    expect(page).toContain('<html lang="en">');
    expect(shapes(page, 'th').map((cell) => cell.attribute('scope'))).toEqual(['col', 'col', 'row']);
  });

  it('aligns columns of numbers to the right', () => {
    const rows = [
      ['a', '98.4%', 'onnx'],
      ['b', '−1.2', '–'],
    ];
    const page = reportPage({ title: 'A run', comparison: { columns: ['', 'x', 'y'], rows } });
    expect(shapes(page, 'td').map((cell) => cell.attribute('class'))).toEqual([
      'number',
      'words',
      'number',
      'words',
    ]);
  });

  it('defines every colour that its plots use, for light and for dark', async () => {
    const page = reportPage(await whole((word) => word));
    const used = new Set([...page.matchAll(/var\((--(?!plot)[\w-]+)\)/g)].map(([, name]) => name));
    expect(used.size).toBeGreaterThan(8);
    for (const name of used) expect(page.split(`${name}: #`)).toHaveLength(3);
  });

  it('is written whole, and its path given back', async () => {
    const path = join(await folder(), 'report.html');
    expect(await writeReport(path, { title: 'A run' })).toBe(path);
    expect(await readFile(path, 'utf8')).toBe(reportPage({ title: 'A run' }));
    expect(await readdir(join(path, '..'))).toEqual(['report.html']);
  });

  it('refuses a folder that is not there with a message for the user', async () => {
    const path = join(await folder(), 'missing', 'report.html');
    await expect(writeReport(path, { title: 'A run' })).rejects.toThrow(UserError);
  });
});
