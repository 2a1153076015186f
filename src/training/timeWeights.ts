// How much does each native t count under a config? Its rule, with the files that the rule reads.
import type { PretrainConfig } from '../config/schema.js';
import type { Diffusion } from '../diffusion/betas.js';
import { unreachable, UserError } from '../errors.js';
import { errorTableFormat, readErrorTable } from '../schedules/errorTable.js';
import { readSensitivity, requireMeasuredOn, sensitivityPoints } from '../schedules/sensitivity.js';
import { binName, binOf } from '../schedules/timeBins.js';
import { lambdas, type LambdaRule } from './lambda.js';
import { readTimeTable } from './timeTable.js';
import type { TimesRule } from './times.js';

/** What all trainings say of time, whatever they train. */
type TimeLoss = PretrainConfig['loss'];

/**
 * lambda(t) of every native t, [T], for the squared error of what is predicted.
 * @param backbone fingerprint of the one that is trained or built on; a new one has none
 * @throws UserError if a file cannot be read or does not fit the diffusion or the backbone
 */
export async function timeWeights(
  loss: TimeLoss,
  diffusion: Diffusion,
  backbone?: string,
): Promise<Float32Array> {
  return lambdas(await ruleOf(loss, diffusion, backbone), diffusion.alphasCumprod, diffusion.prediction);
}

/**
 * How much an error at every native t moves the final sample, [T], for the squared error of what is predicted: on
 * straight lines between the steps that were measured, and scaled to a mean of 1 for that of epsilon.
 * @throws UserError if the file cannot be read, or is of another backbone or diffusion
 */
export async function sensitivityWeights(
  path: string,
  { steps, alphasCumprod, prediction }: Diffusion,
  backbone: string,
): Promise<Float32Array> {
  const sensitivity = await readSensitivity(path);
  requireMeasuredOn(sensitivity, path, { backbone, steps });
  const rule: LambdaRule = { kind: 'table', table: { axis: 't', points: sensitivityPoints(sensitivity) } };
  const mean = lambdas(rule, alphasCumprod).reduce((sum, weight) => sum + weight, 0) / steps;
  return lambdas(rule, alphasCumprod, prediction).map((weight) => weight / mean);
}

/** How times are drawn. */
export function timesRule({ times, timesMean, timesStd }: TimeLoss): TimesRule {
  switch (times) {
    case 'stratified':
    case 'independent':
      return { kind: times };
    case 'log-normal':
      return { kind: times, mean: timesMean, deviation: timesStd };
    default:
      return unreachable(times);
  }
}

async function ruleOf(
  loss: TimeLoss,
  diffusion: Diffusion,
  backbone: string | undefined,
): Promise<LambdaRule> {
  const { lambda, gamma } = loss;
  switch (lambda) {
    case 'uniform':
    case 'snr':
      return { kind: lambda };
    case 'min-snr':
    case 'soft-min-snr':
      return { kind: lambda, gamma };
    case 'p2':
      return { kind: lambda, k: loss.p2K, gamma: loss.p2Gamma };
    case 'edm':
      return { kind: lambda, sigmaData: loss.sigmaData };
    case 'table':
      return { kind: lambda, table: await readTimeTable(given(loss.table)) };
    case 'error':
      return { kind: lambda, errors: await fullErrors(given(loss.errorTable), diffusion, backbone) };
    default:
      return unreachable(lambda);
  }
}

/** The schema lets no rule through without its file. */
function given(path: string | undefined): string {
  if (path === undefined) throw new Error('a rule that reads a file was given none');
  return path;
}

/** The measured error of full depth at every native t, [T]: that of its time bin. */
async function fullErrors(
  path: string,
  { steps }: Diffusion,
  backbone: string | undefined,
): Promise<Float64Array> {
  const table = await readErrorTable(path);
  const { bins, error, steps: measured, guidance = 1 } = table;
  if (backbone !== undefined) requireMeasuredOn(table, path, { backbone, steps }, errorTableFormat);
  if (guidance !== 1)
    throw new UserError(
      `${path} has errors after guidance ${guidance}, and what is trained is not guided. Profile with profile.guidance 1.`,
    );
  if (measured !== steps)
    throw new UserError(
      `${path} was measured over ${measured} diffusion steps, and diffusion.steps is ${steps}. Give the error table of a run with the same diffusion.`,
    );
  const full = error.mean.at(-1) ?? [];
  bins.forEach((bin, i) => {
    const found = full[i];
    if (found === null || found === undefined || !(found > 0))
      throw new UserError(
        `${path} has no error of full depth at ${binName(bin)} (${found === 0 ? 'it is 0' : 'no sample was measured there'}). ` +
          'Profile with more samples or fewer bins.',
      );
  });
  return Float64Array.from({ length: steps }, (_, t) => full[binOf(bins, t)] ?? NaN);
}
