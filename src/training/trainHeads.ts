// How are exit heads trained on a backbone that stays as it is?
import { join } from 'node:path';
import type { BackboneSpec } from '../backbones/backbone.js';
import { exitsForHeads, familyOf } from '../backbones/families.js';
import { exitRuleOf } from '../backbones/spec.js';
import type { OpenedBackbone } from '../checkpoints/backbone.js';
import { readTensor } from '../checkpoints/stored.js';
import type { TrainConfig } from '../config/schema.js';
import { diffusion } from '../diffusion/betas.js';
import type { Engine } from '../engine/engine.js';
import { countOf, isStored, type HostTensor, type HostTensors, type Weights } from '../engine/tensors.js';
import { UserError } from '../errors.js';
import { checkedPlans, headPlan, initialHeads, type HeadPlan } from '../exits/heads.js';
import { writeHeads } from '../exits/headsFile.js';
import { weightsIn } from '../exits/precision.js';
import { fit, peakBytes, rehearse, type FitOptions, type Rehearsal, type Work } from './fit.js';
import { distanceWeights, headsInputs, headsStep, targetsOf, type HeadsLoss } from './headsStep.js';
import { lambdaRule, lambdas } from './lambda.js';
import { logLine, type Run } from './runFolder.js';
import { part } from './state.js';

/** The heads that a config asks for. @throws UserError if an exit is not one of this backbone's */
export function headsToTrain(spec: BackboneSpec, { heads }: Pick<TrainConfig, 'heads'>): readonly HeadPlan[] {
  const { kind, bottleneck } = heads;
  const exits = heads.exits === 'all' ? exitsForHeads(spec) : heads.exits;
  return checkedPlans(
    spec,
    exits.map((exit) => headPlan(kind, exit, bottleneck)),
  );
}

/** What the heads' loss is made of. @throws UserError if the weights do not fit the exits */
export function headsLoss(
  plans: readonly HeadPlan[],
  { loss, heads }: Pick<TrainConfig, 'loss' | 'heads'>,
): HeadsLoss {
  const { distillation, exitWeights } = loss;
  const denoising = 1;
  if (exitWeights === 'uniform')
    return { denoising, distillation, exitWeights: plans.map(() => 1 / plans.length) };
  if (exitWeights.length !== plans.length)
    throw new UserError(
      `loss.exitWeights has ${exitWeights.length} numbers for the ${plans.length} exits of heads.exits (${String(heads.exits)}). ` +
        'Give one for each.',
    );
  return { denoising, distillation, exitWeights };
}

/** Where a run keeps its trained heads. */
export function headsPath(run: Run): string {
  return join(run.path, 'heads.safetensors');
}

/** Weights that every head starts from: all predict what the backbone's last layer makes of their block. */
export async function headsAtStart(
  { spec, weights }: Pick<OpenedBackbone, 'spec' | 'weights'>,
  plans: readonly HeadPlan[],
  seed: number,
): Promise<HostTensors> {
  const { last } = familyOf(spec);
  const lastLayer: Record<string, HostTensor> = {};
  for (const name of Object.keys(last.shapes(spec)))
    lastLayer[last.official(name)] = await inMemory(weights, last.official(name));
  return initialHeads(spec, plans, lastLayer, seed);
}

async function inMemory(weights: Weights, name: string): Promise<HostTensor> {
  const weight = weights[name];
  if (!weight) throw new Error(`weight ${name} is missing`);
  return isStored(weight) ? readTensor(weight) : weight;
}

/** What of the heads moves, and what a step does. */
async function parts(
  config: TrainConfig,
  { spec, weights }: OpenedBackbone,
): Promise<
  Pick<FitOptions, 'spec' | 'weights' | 'frozen' | 'stepOf' | 'inputs' | 'timeWeights' | 'feedsAt'> & {
    plans: readonly HeadPlan[];
  }
> {
  const plans = headsToTrain(spec, config);
  const loss = headsLoss(plans, config);
  const targets = targetsOf(loss);
  const lambda = lambdas(lambdaRule(config.loss), diffusion(config.diffusion).alphasCumprod);
  const importance = Float32Array.from(loss.exitWeights);
  return {
    ...{ spec, plans, frozen: await weightsIn(weights, config.engine.frozenPrecision) },
    weights: await headsAtStart({ spec, weights }, plans, config.seed),
    stepOf: (options) => headsStep(spec, plans, targets, options),
    inputs: headsInputs(spec, plans, targets),
    timeWeights: distanceWeights(loss, lambda),
    feedsAt: () => ({ importance }),
  };
}

/**
 * Trains all heads of a config from one frozen pass per batch, then writes heads.safetensors with their averages.
 * Shared heads have nothing to train.
 * @returns path of the heads
 */
export async function trainHeads(
  run: Run,
  config: TrainConfig,
  backbone: OpenedBackbone,
  work: Work,
): Promise<string> {
  const { plans, ...subject } = await parts(config, backbone);
  const { spec, weights } = subject;
  const count = countOf(weights);
  const { frozenPrecision } = config.engine;
  const line = `${spec.size}, frozen${frozenPrecision === 'fp32' ? '' : ` in ${frozenPrecision}`}; ${plans.length} ${config.heads.kind} heads with ${count.toLocaleString('en')} weights to train`;
  work.say(line);
  await logLine(run, line);
  const trained =
    count === 0
      ? weights
      : part(await fit({ ...work, ...subject, run, config, origin: backbone.fingerprint }), 'ema');
  const path = headsPath(run);
  await writeHeads(path, plans, trained, backbone.fingerprint, exitRuleOf(spec));
  return path;
}

/** What training would take. Nothing is written. */
export async function rehearseHeads(
  config: TrainConfig,
  backbone: OpenedBackbone,
  engine: Engine,
): Promise<Rehearsal> {
  const { plans: _, ...subject } = await parts(config, backbone);
  const nothing = { trainable: 0, macs: 0, secondsPerStep: 0, steps: 0, peakBytes: peakBytes() };
  return Object.keys(subject.weights).length === 0 ? nothing : rehearse({ ...subject, config, engine });
}
