import { describe, expect, it } from '@jest/globals';
import { duration, progressLines } from '../../src/commands/progress.js';
import { terminal, type Terminal } from '../../src/commands/terminal.js';
import { screen } from './world.js';

function opened(
  options: { json?: boolean; quiet?: boolean; isTTY?: boolean; env?: Record<string, string> } = {},
): {
  shown: Terminal;
  out: () => string;
  err: () => string;
} {
  const { json = false, quiet = false, isTTY = false, env = {} } = options;
  const [out, err] = [screen(isTTY), screen(isTTY)];
  return {
    shown: terminal({ stdout: out.stream, stderr: err.stream, env, json, quiet }),
    out: () => out.text(),
    err: () => err.text(),
  };
}

const escape = '\u001b[';

describe('the terminal', () => {
  it('aligns tables: words left, numbers right', () => {
    const { shown, out } = opened();
    shown.table([
      ['exit', 'kind', 'loss'],
      [1, 'adapter', 0.5],
      [12, 'full', 10.25],
    ]);
    expect(out()).toBe('exit  kind      loss\n   1  adapter    0.5\n  12  full     10.25\n');
    shown.table([]);
  });

  it('spells out what a terminal would obey, such as names in a hostile file', () => {
    const { shown, out, err } = opened({ isTTY: true });
    shown.line('a\u001b[2Jb\tc\nd');
    shown.table([['name'], ['x\u009b31m\ny']]);
    shown.error('\u0007bell \u202eright to left\u007f');
    expect(out()).toContain('a\\u001b[2Jb\tc\nd\n');
    expect(out()).toContain('\nx\\u009b31m y\n');
    expect(err()).toContain(' \\u0007bell \\u202eright to left\\u007f\n');
  });

  it('colours on a terminal alone, and never against NO_COLOR', () => {
    const coloured = (options: Parameters<typeof opened>[0]): boolean => {
      const { shown, err } = opened(options);
      shown.warn('careful');
      expect(err()).toContain('careful');
      return err().includes(escape);
    };
    expect(coloured({ isTTY: true })).toBe(true);
    expect(coloured({})).toBe(false);
    expect(coloured({ isTTY: true, env: { NO_COLOR: '1' } })).toBe(false);
    expect(coloured({ isTTY: true, env: { TERM: 'dumb' } })).toBe(false);
  });

  it('prints JSON only where it is asked for', () => {
    const plain = opened();
    plain.shown.json({ a: 1 });
    expect(plain.out()).toBe('');
    const json = opened({ json: true });
    json.shown.line('hello');
    json.shown.json({ a: 1 });
    expect(JSON.parse(json.out())).toEqual({ a: 1 });
    expect(json.err()).toBe('hello\n');
  });

  it('goes silent when nobody reads or nothing can be written, and knows which', () => {
    const out = screen();
    const shown = terminal({
      stdout: out.stream,
      stderr: screen().stream,
      env: {},
      json: false,
      quiet: false,
    });
    shown.line('one');
    out.stream.emit('error', Object.assign(new Error('write EPIPE'), { code: 'EPIPE' }));
    shown.line('two');
    expect(out.text()).toBe('one\n');
    expect(shown.lost()).toBeUndefined();
    const full = screen();
    const cut = terminal({
      ...{ stdout: full.stream, stderr: screen().stream, env: {} },
      ...{ json: false, quiet: false },
    });
    cut.line('one');
    full.stream.emit('error', Object.assign(new Error('disk full'), { code: 'ENOSPC' }));
    cut.line('two');
    expect(full.text()).toBe('one\n');
    expect(cut.lost()).toBe('disk full');
  });

  it('draws a bar with the time left on a terminal, and keeps lines out of it', () => {
    const { shown, out, err } = opened({ isTTY: true, env: { NO_COLOR: '1' } });
    const progress = shown.progress('train');
    progress.update(3, 10, { loss: 0.123456 });
    expect(err()).toMatch(/train \[=+-+\] 3\/10, loss 0\.1235/);
    shown.line('saved');
    expect(err().endsWith('\r\u001b[2K')).toBe(true);
    expect(out()).toBe('saved\n');
    progress.end();
    progress.end();
    expect(err().endsWith('\n')).toBe(true);
  });

  it('shows no progress with --quiet', () => {
    const { shown, err } = opened({ quiet: true });
    const progress = shown.progress('train');
    progress.update(1, 2, {});
    progress.end();
    shown.close();
    expect(err()).toBe('');
  });
});

describe('progress in a pipe', () => {
  it('is a line at the start, at most one every 10 s, and one at the end', () => {
    let now = 0;
    const lines: string[] = [];
    const progress = progressLines(
      (line) => lines.push(line),
      'train',
      () => now,
    );
    for (let step = 500; step <= 600; step++) {
      progress.update(step, 600, { loss: 1 / step, step });
      now += 250;
    }
    progress.end();
    progress.end();
    expect(lines).toEqual([
      'train 500/600 (83%), loss 0.002000, step 500',
      'train 540/600 (90%), 15 s left, loss 0.001852, step 540',
      'train 580/600 (96%), 5 s left, loss 0.001724, step 580',
      'train 600/600 (100%), loss 0.001667, step 600',
    ]);
  });

  it('says nothing of work that never began', () => {
    const lines: string[] = [];
    progressLines((line) => lines.push(line), 'train').end();
    expect(lines).toEqual([]);
  });

  it.each([
    [400, '0 s'],
    [59_600, '1 min 0 s'],
    [125_000, '2 min 5 s'],
    [7_260_000, '2 h 1 min'],
  ])('names %d ms %s', (ms, words) => expect(duration(ms)).toBe(words));
});
