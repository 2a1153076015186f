import { describe, expect, it } from '@jest/globals';
import { initialState, named, part, stateShapes } from '../../src/training/state.js';

const weights = {
  'blocks.0.weight': { shape: [1, 2], data: Float32Array.of(1, 2) },
  'm.bias': { shape: [1], data: Float32Array.of(3) },
};

describe('the state of a run', () => {
  it('starts without moments, with averages that equal the weights, at step 0', () => {
    const state = initialState(weights);
    expect(part(state, 'w')).toEqual(weights);
    expect(part(state, 'ema')).toEqual(weights);
    for (const name of ['m', 'v'] as const)
      expect(Object.values(part(state, name)).map(({ data }) => [...data])).toEqual([[0, 0], [0]]);
    expect(state['step']).toEqual({ shape: [], data: Float32Array.of(0) });
  });
  it('holds the weights it started from, not a copy', () => {
    expect(initialState(weights)['w.m.bias']?.data).toBe(weights['m.bias'].data);
  });
  it('tells its parts apart, also where a weight is named like a part', () => {
    expect(Object.keys(part(initialState(weights), 'm'))).toEqual(['blocks.0.weight', 'm.bias']);
    expect(part(named('ema', weights), 'ema')).toEqual(weights);
  });
  it('has the shapes it says', () => {
    const shapes = stateShapes({ 'blocks.0.weight': [1, 2], 'm.bias': [1] });
    const state = initialState(weights);
    expect(Object.fromEntries(Object.entries(state).map(([name, { shape }]) => [name, shape]))).toEqual(
      shapes,
    );
  });
});
