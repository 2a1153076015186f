// How are uncertainty heads trained on a run that has its heads? In a run folder within it, so that they can be resumed.
import { join } from 'node:path';
import type { TrainConfig } from '../config/schema.js';
import { diffusion } from '../diffusion/betas.js';
import type { Engine } from '../engine/engine.js';
import { countOf } from '../engine/tensors.js';
import { isFile } from '../files/disk.js';
import { unreachable } from '../errors.js';
import { modelIn } from '../exits/precision.js';
import { initialUncertainty, uncertainExits, type Uncertainty } from '../exits/uncertainty.js';
import {
  readUncertainty,
  writeUncertainty,
  type Judged,
  type UncertaintyHeads,
} from '../exits/uncertaintyFile.js';
import { fit, rehearse, type Rehearsal, type Subject, type Work } from './fit.js';
import type { Trained } from './openTrained.js';
import { trainingInputs } from './pretrainStep.js';
import { logLine, type Run } from './runFolder.js';
import { startRun } from './startRun.js';
import { part } from './state.js';
import { mixtureTables } from './target.js';
import { uncertaintyStep } from './uncertaintyStep.js';

/** Where a run keeps its uncertainty heads. */
export const uncertaintyPath = ({ path }: Pick<Run, 'path'>): string => join(path, 'uncertainty.safetensors');

/** Name of the run folders in which they are trained. */
export const uncertaintyRunName = 'uncertainty';

/** The uncertainty heads that a run's config asks for. @throws UserError if its heads remember */
export function uncertaintyOf({ config, heads }: Pick<Trained, 'config' | 'heads'>): Uncertainty {
  const { form, bottleneck } = config.uncertainty;
  const exits = uncertainExits(heads.plans);
  switch (form) {
    case 'log-excess':
      return { form, exits, bottleneck };
    case 'deediff':
      return { form, exits };
    default:
      return unreachable(form);
  }
}

/** Fingerprints of what a run's uncertainty heads judge. */
export function judgedBy({ backbone, heads }: Pick<Trained, 'backbone' | 'heads'>): Judged {
  return { backbone: backbone.fingerprint, heads: heads.fingerprint };
}

/** The run's settings, with the length and the rate of this training. */
function settingsOf({ optimizer, train, uncertainty, ...rest }: TrainConfig): TrainConfig {
  const { lr, steps } = uncertainty;
  return {
    ...{ ...rest, uncertainty, name: uncertaintyRunName },
    optimizer: { ...optimizer, lr },
    train: { ...train, steps },
  };
}

async function parts(trained: Trained): Promise<Omit<Subject, 'engine'> & { readonly plan: Uncertainty }> {
  const config = settingsOf(trained.config);
  const plan = uncertaintyOf(trained);
  const { spec, plans, backbone, heads } = await modelIn(trained.model, config.engine.frozenPrecision);
  return {
    ...{ plan, spec, config },
    weights: initialUncertainty(spec, plan, config.seed),
    frozen: { ...backbone, ...heads },
    stepOf: (options) => uncertaintyStep({ spec, plans }, plan, options),
    inputs: trainingInputs(spec),
    times: { kind: 'stratified' },
    // All times count alike: the loss does not depend on the size of the error.
    timeWeights: {
      lambda: new Float32Array(config.diffusion.steps).fill(1),
      ...mixtureTables(diffusion(config.diffusion)),
    },
  };
}

/**
 * Trains the uncertainty heads of all exits from one frozen pass per batch, in RUN/<nnn>-uncertainty, then writes their
 * averages to RUN/uncertainty.safetensors.
 * @param resume whether to go on with the newest of those folders
 */
export async function trainUncertainty(
  trained: Trained,
  resume: boolean,
  work: Work,
): Promise<UncertaintyHeads> {
  const { plan, ...subject } = await parts(trained);
  const loaded = { kind: 'train', config: settingsOf(trained.config), sources: [] } as const;
  const run = await startRun(loaded, { root: trained.run.path, resume });
  const line = `${plan.exits.length} uncertainty heads (${plan.form}) with ${countOf(subject.weights).toLocaleString('en')} weights to train, backbone and heads frozen`;
  work.say(line);
  await logLine(run, line);
  const judged = judgedBy(trained);
  const state = await fit({ ...work, ...subject, run, origin: `${judged.backbone} ${judged.heads}` });
  const heads = { plan, weights: part(state, 'ema') };
  await writeUncertainty(uncertaintyPath(trained.run), heads, judged);
  return heads;
}

/** What that would take. Nothing is written. */
export async function rehearseUncertainty(trained: Trained, engine: Engine): Promise<Rehearsal> {
  const { plan: _, ...subject } = await parts(trained);
  return rehearse({ ...subject, engine });
}

/** The uncertainty heads of a run, if it has some. @throws UserError if they judge other heads */
export async function uncertaintyIn(trained: Trained): Promise<UncertaintyHeads | undefined> {
  const path = uncertaintyPath(trained.run);
  return (await isFile(path)) ? readUncertainty(path, trained.backbone.spec, judgedBy(trained)) : undefined;
}
