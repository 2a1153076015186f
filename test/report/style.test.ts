import { describe, expect, it } from '@jest/globals';
import { style } from '../../src/report/style.js';

/** Relative luminance as WCAG 2 defines it. */
function luminance(hex: string): number {
  const [r = NaN, g = NaN, b = NaN] = [1, 3, 5].map((at) => {
    const share = parseInt(hex.slice(at, at + 2), 16) / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

function contrast(a: string, b: string): number {
  const [low = NaN, high = NaN] = [luminance(a), luminance(b)].sort((x, y) => x - y);
  return (high + 0.05) / (low + 0.05);
}

const [light = '', dark = ''] = [...style.matchAll(/:root \{([^}]*)\}/g)].map(([, block]) => block);

describe.each([
  ['light', light],
  ['dark', dark],
])('the colours of the %s theme', (_, block) => {
  const colours = new Map(
    [...block.matchAll(/--([\w-]+): (#\w{6})/g)].map(([, name = '', hex = '']) => [name, hex]),
  );
  const between = (a: string, b: string): number => contrast(colours.get(a) ?? '', colours.get(b) ?? '');

  it.each(['ink', 'muted', 'first', 'second'])('let %s be read on every ground', (name) => {
    for (const ground of ['page', 'surface']) expect(between(name, ground)).toBeGreaterThan(4.5);
  });

  it('keep the middle and the end of the ramp apart from the ground', () => {
    for (const name of ['heat-mid', 'heat-high']) expect(between(name, 'surface')).toBeGreaterThan(3);
  });
});
