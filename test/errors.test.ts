import { describe, expect, it } from '@jest/globals';
import { messageOf, unreachable } from '../src/errors.js';

describe('errors', () => {
  it('gives a message for anything thrown', () => {
    expect(messageOf(new Error('a'))).toBe('a');
    expect(messageOf('b')).toBe('b');
  });
  it('throws where a union member was forgotten', () => {
    expect(() => unreachable('odd' as never)).toThrow('unreachable: "odd"');
  });
  it('compares arrays by the largest difference', () => {
    expect(Float32Array.of(1, 2)).toBeAllClose([1, 2.001], 0.01);
    expect(() => expect([1, NaN]).toBeAllClose([1, 2], 1)).toThrow('differs by Infinity at 1');
  });
});
