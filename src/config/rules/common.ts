// What must the sections that several kinds of config have keep to?
import type { z } from 'zod';
import type { Spacing } from '../../diffusion/spacing.js';
import type { EngineKind } from '../../engine/engine.js';
import { providerRefusal, type Provider } from '../../engine/providers.js';
import type { pretrainLossSection } from '../sections.js';
import type { Rule } from './rule.js';

interface HasDiffusion {
  readonly diffusion: { readonly steps: number; readonly betaStart: number; readonly betaEnd: number };
}

export const betasAscend: Rule<HasDiffusion> = {
  keys: [
    ['diffusion', 'betaEnd'],
    ['diffusion', 'betaStart'],
  ],
  broken: ({ diffusion: { betaStart, betaEnd } }) =>
    betaEnd < betaStart
      ? `found ${betaEnd}, expected at least diffusion.betaStart, which is ${betaStart}`
      : undefined,
};

export const sampleStepsFit: Rule<HasDiffusion & { readonly sample: { readonly steps: number | string } }> = {
  keys: [
    ['sample', 'steps'],
    ['diffusion', 'steps'],
  ],
  broken: ({ sample: { steps }, diffusion }) =>
    atMostSteps(typeof steps === 'number' ? steps : 0, diffusion.steps),
};

/** Text says where the steps lie. */
const spacingOfNumber: Rule<{
  readonly sample: { readonly steps?: number | string | undefined; readonly spacing?: Spacing | undefined };
}> = {
  keys: [
    ['sample', 'spacing'],
    ['sample', 'steps'],
  ],
  broken: ({ sample: { steps, spacing = 'even' } }) =>
    typeof steps === 'string' && spacing !== 'even'
      ? `is ${spacing}, but sample.steps is ${steps}, which says where the steps lie; leave one of them out`
      : undefined,
};

const churnAscends: Rule<{ readonly sample: { readonly churnFrom: number; readonly churnTo: number } }> = {
  keys: [
    ['sample', 'churnTo'],
    ['sample', 'churnFrom'],
  ],
  broken: ({ sample: { churnFrom, churnTo } }) =>
    churnTo < churnFrom
      ? `found ${churnTo}, expected at least sample.churnFrom, which is ${churnFrom}`
      : undefined,
};

const intervalAscends: Rule<{
  readonly sample: { readonly guidanceInterval?: readonly number[] | undefined };
}> = {
  keys: [['sample', 'guidanceInterval']],
  broken: ({ sample: { guidanceInterval: [from = 0, to = 0] = [] } }) =>
    to < from ? `goes from ${from} to ${to}, expected the smaller time first` : undefined,
};

export const sampleRules = [spacingOfNumber, churnAscends, intervalAscends];

export const providerFits: Rule<{
  readonly engine: { readonly kind: EngineKind; readonly provider: Provider };
}> = {
  keys: [
    ['engine', 'provider'],
    ['engine', 'kind'],
  ],
  broken: ({ engine }) => providerRefusal(engine),
};

interface HasLambda {
  readonly loss: Readonly<Pick<z.output<typeof pretrainLossSection>, 'lambda' | 'table' | 'errorTable'>>;
}

/** A file of weights goes with the rule that reads it, and with no other. */
const fileOfLambda = (key: 'table' | 'errorTable', lambda: 'table' | 'error'): Rule<HasLambda> => ({
  keys: [
    ['loss', key],
    ['loss', 'lambda'],
  ],
  broken: ({ loss }) => {
    if ((loss[key] === undefined) === (loss.lambda !== lambda)) return undefined;
    return loss[key] === undefined
      ? `is missing, and loss.lambda is ${lambda}, which reads it; add the path of the file`
      : `goes with loss.lambda ${lambda} alone, and that is ${loss.lambda}; change one of them`;
  },
});

export const lambdaFiles = [fileOfLambda('table', 'table'), fileOfLambda('errorTable', 'error')];

export function atMostSteps(found: number, steps: number): string | undefined {
  return found > steps ? `found ${found}, expected at most diffusion.steps, which is ${steps}` : undefined;
}
