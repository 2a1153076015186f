import { describe, expect, it } from '@jest/globals';
import type { BackboneSpec } from '../../src/backbones/backbone.js';
import { labelRows, parseLabels, relabelledSpec, requireLabelled } from '../../src/backbones/labels.js';
import { publishedSize } from '../../src/backbones/spec.js';
import { UserError } from '../../src/errors.js';
import { tinySpec } from '../tiny-dit.js';
import { tinyUvit } from '../tiny-uvit.js';

const { spec: conditional } = tinyUvit('cond');
const { spec: unconditional } = tinyUvit('uncond');

describe('labels', () => {
  it('name old classes, several in a row, or what a class starts as', () => {
    expect(labelRows(tinySpec, [7, '2-4', 'mean', '0', 'none', 'new', 7])).toEqual([
      ...[7, 2, 3, 4, 'mean', 0, 'none', 'new', 7],
    ]);
  });

  it('as a record replace the classes they name and keep the others', () => {
    expect(labelRows(tinySpec, { 3: 'new', 0: 9 })).toEqual([9, 1, 2, 'new', 4, 5, 6, 7, 8, 9]);
  });

  it('make a DiT unconditional by leaving it the row for no class', () => {
    const rows = labelRows(tinySpec, 'unconditional');
    expect(relabelledSpec(tinySpec, rows)).toEqual({ ...tinySpec, classes: 0, nullClass: false });
  });

  it('keep all else of a spec', () => {
    const spec: BackboneSpec = publishedSize('DiT-XL/2');
    requireLabelled(spec);
    expect(relabelledSpec(spec, labelRows(spec, ['0-9']))).toEqual({ ...spec, classes: 10 });
  });

  it('that mean nothing to a backbone are named all at once', () => {
    const bad = (): unknown => labelRows(tinySpec, [10, '8-12', '5-4', 3]);
    expect(bad).toThrow(UserError);
    expect(bad).toThrow(
      /entry 0 names class 10, but classes are 0 to 9; entry 1 names class 10, .*; entry 2 is 5-4, expected a class 0 to 9/,
    );
    expect(() => labelRows(tinySpec, { 10: 'new', 2: '3-4' })).toThrow(
      /class 2 is 3-4, expected one class; it replaces class 10, but classes are 0 to 9/,
    );
    expect(() => labelRows({ ...tinySpec, nullClass: false }, ['none'])).toThrow(/no row for no class/);
  });

  it('are refused where there is no table, or no doing without one', () => {
    expect(() => labelRows(unconditional, [0])).toThrow(/is unconditional already/);
    expect(() => labelRows(conditional, 'unconditional')).toThrow(/a token for its label.*\[none\]/);
    expect(() => labelRows({ ...tinySpec, nullClass: false }, 'unconditional')).toThrow(
      /cannot become unconditional/,
    );
  });

  it('are read from a command line', () => {
    expect(parseLabels('207,0-9,mean')).toEqual(['207', '0-9', 'mean']);
    expect(parseLabels('unconditional')).toBe('unconditional');
    for (const text of ['', 'cat', '1,,2', '-1', '1.5', 'constructor'])
      expect(() => parseLabels(text)).toThrow(/expected classes with commas between them/);
  });
});
