// How are uncertainty heads held against what is measured? One pass per held-out batch asks and measures every exit.
import type { BackboneSpec } from '../backbones/backbone.js';
import { epsilonOf } from '../backbones/channels.js';
import { familyOf } from '../backbones/families.js';
import type { Engine, Step } from '../engine/engine.js';
import type { HostTensor } from '../engine/tensors.js';
import { tf } from '../engine/tf.js';
import { UserError } from '../errors.js';
import { exitMacs, queryInputs, queryOf, type Model } from '../exits/model.js';
import { askMacs } from '../exits/ask.js';
import { promptsOf, type Prompts } from '../exits/prompts.js';
import { features, runHeads } from '../exits/run.js';
import { errorIn, uncertaintyAt, type Uncertainty } from '../exits/uncertainty.js';
import type { Judged, UncertaintyHeads } from '../exits/uncertaintyFile.js';
import { epsilonSeen, mixtureFeeds, mixtureInputs } from '../training/target.js';
import { calibrationOf, type Calibration } from './calibration.js';
import { heldOut, type HeldOut } from './heldOut.js';

export interface CalibrateOptions extends HeldOut {
  readonly engine: Engine;
  readonly model: Model;
  readonly uncertainty: UncertaintyHeads;
  readonly fingerprints: Judged;
  readonly prompts?: Prompts;
}

/**
 * Asks and measures every exit on the samples that `profile` measures.
 * @throws UserError if a number is not finite
 * @throws Interrupted after the signal; nothing is kept of an unfinished measurement
 */
export async function calibrate(options: CalibrateOptions): Promise<Calibration> {
  const { engine, model, uncertainty, fingerprints, diffusion, bins, progress } = options;
  const { prompts = promptsOf(model.spec) } = options;
  const { plan, weights } = uncertainty;
  const observed = plan.exits.map((exit) => ({ exit, predicted: [] as number[], measured: [] as number[] }));
  const times: number[] = [];
  const step = await engine.compile(calibrateStep(model, plan), {
    state: {},
    batch: { ...queryInputs(model.spec), ...mixtureInputs(model.spec) },
    frozen: { ...model.backbone, ...model.heads, ...weights },
  });
  try {
    for await (const { x, t, y } of heldOut(options)) {
      const { predicted, measured } = await step({
        ...{ x, t, ...mixtureFeeds(diffusion, t) },
        ...(await prompts.feeds(y)),
      });
      observed.forEach((of, k) => {
        of.predicted.push(...column(predicted, k, `the uncertainty of exit ${of.exit}`));
        of.measured.push(...column(measured, k, `the error of exit ${of.exit}`));
      });
      times.push(...t);
    }
  } finally {
    progress.end();
    await step.dispose();
  }
  const depths = depthsOf(model, uncertainty);
  return calibrationOf({
    ...{ ...fingerprints, form: plan.form, bins, t: times },
    exits: observed.map((of, k) => ({ ...of, depth: depths[k] ?? NaN })),
  });
}

/** Inputs: those of a query and of `mixtureInputs`; results: what uncertainty heads say and what is measured, [B, exits], in the units of their form. */
export function calibrateStep(
  { spec, plans }: { readonly spec: BackboneSpec } & Pick<Model, 'plans'>,
  plan: Uncertainty,
): Step {
  return (_state, batch, frozen) => {
    const { t } = batch;
    if (!t) throw new Error('a query has t');
    const backbone = familyOf(spec).bind(spec, frozen);
    const query = queryOf(batch, spec);
    const { states, full } = features(backbone, query, plan.exits);
    const seen = (prediction: tf.Tensor4D): tf.Tensor =>
      epsilonSeen(spec, query.x, epsilonOf(prediction, spec.channels), batch);
    const target = seen(full);
    const measured = runHeads(backbone, { plans, weights: frozen }, states).map(({ prediction }) =>
      errorIn(plan.form, seen(prediction), target),
    );
    const predicted = [...states].map(([exit, state]) => uncertaintyAt(plan, exit, frozen, state, t.as1D()));
    return { state: {}, out: { predicted: tf.stack(predicted, 1), measured: tf.stack(measured, 1) } };
  };
}

/** Multiply-adds of leaving at each exit, all uncertainty heads up to it asked, over those of full depth. */
function depthsOf(model: Model, { plan, weights }: UncertaintyHeads): number[] {
  const full = exitMacs(model, model.spec.depth);
  let asked = 0;
  return plan.exits.map((exit) => {
    asked += askMacs(model.spec, plan, exit, weights);
    return (exitMacs(model, exit) + asked) / full;
  });
}

function column(tensor: HostTensor | undefined, k: number, what: string): number[] {
  if (!tensor) throw new Error('a calibration step has two results');
  const [count = 0, exits = 0] = tensor.shape;
  return Array.from({ length: count }, (_, i) => {
    const value = tensor.data[i * exits + k] ?? NaN;
    if (!Number.isFinite(value))
      throw new UserError(
        `${what} became ${value}. Train the uncertainty heads again with a lower uncertainty.lr.`,
      );
    return value;
  });
}
