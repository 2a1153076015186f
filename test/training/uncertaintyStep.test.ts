import { describe, expect, it } from '@jest/globals';
import { initialHeads, type HeadPlan } from '../../src/exits/heads.js';
import { initialUncertainty, type Uncertainty } from '../../src/exits/uncertainty.js';
import { uncertaintyStep } from '../../src/training/uncertaintyStep.js';
import {
  eager,
  expectSame,
  feedsFor,
  livelyWeights,
  moved,
  onnx,
  runSteps,
  spec,
  steady,
  type Training,
} from './tiny.js';

const plans: readonly HeadPlan[] = [
  { kind: 'adapter', exit: 1, bottleneck: 4 },
  { kind: 'shared', exit: 2 },
];
const backbone = livelyWeights();
const frozen = { ...backbone, ...moved(initialHeads(spec, plans, backbone, 1), 0.05) };
const training = (plan: Uncertainty): Training => ({
  step: uncertaintyStep({ spec, plans }, plan, steady),
  weights: moved(initialUncertainty(spec, plan, 1), 0.02),
  frozen,
});
const forms: readonly Uncertainty[] = [
  { form: 'log-excess', exits: [1, 2], bottleneck: 4 },
  { form: 'deediff', exits: [1, 2] },
];

describe('a step of training uncertainty heads', () => {
  it.each(forms)('moves all of them compiled as it does eagerly: $form', async (plan) => {
    const feeds = [3, 2].map((batch, index) => feedsFor(spec, batch, index));
    expectSame(
      await runSteps(onnx, training(plan), feeds),
      await runSteps(eager, training(plan), feeds),
      2e-5,
    );
  });

  it.each(forms)('lowers the loss of the same batch: $form', async (plan) => {
    const feeds = Array.from({ length: 30 }, () => ({ ...feedsFor(spec, 4, 0), lr: 0.02 }));
    const { results } = await runSteps(onnx, training(plan), feeds);
    const [first, last] = [results.at(0)?.['loss'] ?? NaN, results.at(-1)?.['loss'] ?? NaN];
    expect(last).toBeLessThan(0.7 * first);
    // The sum of its parts.
    expect((results[0]?.['exit/1'] ?? NaN) + (results[0]?.['exit/2'] ?? NaN)).toBeCloseTo(first, 4);
  });
});
