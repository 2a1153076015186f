// How far do estimates of one number lie apart, and how far do they say?
import type { Uncertain } from '../../src/evaluate/estimate.js';

export function spreadOf(draws: readonly Uncertain[]): { mean: number; spread: number; meanError: number } {
  const average = (numbers: readonly number[]): number =>
    numbers.reduce((sum, x) => sum + x, 0) / numbers.length;
  const mean = average(draws.map(({ value }) => value));
  const squares = draws.map(({ value }) => (value - mean) ** 2);
  return {
    mean,
    spread: Math.sqrt((average(squares) * draws.length) / (draws.length - 1)),
    meanError: Math.sqrt(average(draws.map(({ standardError }) => standardError ** 2))),
  };
}
