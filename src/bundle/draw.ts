// How does a bundle draw images, with its schedule and at full depth?
import type { SampleConfig } from '../config/schema.js';
import { diffusion, type Diffusion } from '../diffusion/betas.js';
import { respace } from '../diffusion/respace.js';
import { spacedTimes } from '../diffusion/spacing.js';
import type { Engine } from '../engine/engine.js';
import type { FrozenPrecision } from '../engine/tensors.js';
import type { Denoiser } from '../exits/denoiser.js';
import { openApart, type ApartDenoiser } from '../exits/apart.js';
import { openGuided, passesAt, scaleAt, type Guidance } from '../exits/guided.js';
import { openPerSample, type PerSampleDenoiser } from '../exits/perSample.js';
import type { UncertaintyHeads } from '../exits/uncertaintyFile.js';
import { requireMemories } from '../exits/requireMemories.js';
import { promptsOf, type Prompts } from '../exits/prompts.js';
import { modelIn } from '../exits/precision.js';
import { drawAll, type Drawn, type Way } from '../samplers/compare.js';
import { callsOf, solverOf } from '../samplers/solvers.js';
import { exitAt, macsOf, unconditionalAt, type Schedule } from '../schedules/schedule.js';
import type { Progress } from '../training/progress.js';
import { guidingOf, type Guiding } from './guiding.js';
import type { OpenedBundle } from './openBundle.js';

/** How samples leave by themselves. */
export interface PerSampleRule {
  readonly uncertainty: UncertaintyHeads;
  readonly threshold: number;
}

export interface DrawOptions {
  readonly engine: Engine;
  readonly config: SampleConfig['sample'];
  readonly seed: number;
  /** Whether to draw the same images at full depth, too. */
  readonly compare: boolean;
  /** Leaves each sample at the first exit whose uncertainty lies below the threshold, instead of by schedule. */
  readonly perSample?: PerSampleRule | undefined;
  /** What is drawn: all of it takes turns; unless given, classes. */
  readonly prompts?: Prompts;
  /** What the backbone computes in; unless given, what the heads were trained on. */
  readonly frozenPrecision?: FrozenPrecision;
  readonly signal: AbortSignal;
  readonly progress: Progress;
}

/** How this call will go: what a dry run shows. */
export interface DrawPlan extends Guiding {
  readonly timesteps: readonly number[];
  /** Native t of each call of the solver, which may ask several times in a step, and between two of them. */
  readonly calls: readonly number[];
  /** Exit of each call. */
  readonly exits: readonly number[];
  /** Exit of each call's half that asks for nothing, where halves of guidance leave apart. */
  readonly unconditional?: readonly number[] | undefined;
  readonly clip: boolean;
  /** Timesteps of full depth that it is compared with: the most that the schedule was chosen among. */
  readonly fullTimesteps: readonly number[];
  /** Multiply-adds over those of full depth at `fullTimesteps`. */
  readonly depthUsed: number;
  /** Multiply-adds of all images, scheduled; guided images take two passes a call. */
  readonly macs: number;
}

export interface Drawing extends DrawPlan {
  /** [count]: classes, or numbers of captions. */
  readonly labels: Int32Array;
  readonly scheduled: Drawn;
  readonly full: Drawn | undefined;
  /** How often a sample left at each exit, if they left by themselves; then `depthUsed` is what was really run. */
  readonly left: ReadonlyMap<number, number> | undefined;
}

/**
 * What a call would do.
 * @throws UserError if there are not as many timesteps, the backbone cannot be guided, or an exit remembers what was not yet
 */
export function planDrawing({ bundle }: OpenedBundle, config: SampleConfig['sample']): DrawPlan {
  const { schedule } = bundle;
  const { spec } = bundle.backbone;
  const guiding = guidingOf(spec, bundle.diffusion, config);
  const process = diffusion(bundle.diffusion);
  const timesteps = timesFor(schedule, process, config);
  const calls = callsOf(solverOf(config), process, timesteps);
  const exits = calls.map((t) => exitAt(schedule, t));
  const unconditional =
    guiding.guidance === 1 || !schedule.unconditional
      ? undefined
      : calls.flatMap((t) => unconditionalAt(schedule, t) ?? []);
  requireMemories({ plans: bundle.plans, spec }, [exits, unconditional ?? []], calls, guiding);
  const passes = exits.flatMap((exit, i) =>
    [exit, unconditional?.[i] ?? exit].slice(0, passesAt(guiding, calls[i] ?? NaN)),
  );
  const fullTimesteps = fullTimesFor(schedule, process, config);
  const fullPasses = callsOf(solverOf(config), process, fullTimesteps).reduce(
    (sum, t) => sum + passesAt(guiding, t),
    0,
  );
  const macs = macsOf(schedule.available, passes);
  return {
    ...{ timesteps, calls, exits, unconditional, fullTimesteps, ...guiding },
    depthUsed: macs / (fullPasses * (schedule.available.at(-1)?.macs ?? NaN)),
    clip: config.clip ?? bundle.diffusion.clip,
    macs: macs * config.count,
  };
}

/**
 * The timesteps to sample at: those that a schedule was made for, unless others are asked for.
 * @throws UserError if there are not as many timesteps
 */
export function timesFor(
  { timesteps }: Pick<Schedule, 'timesteps'>,
  process: Diffusion,
  { steps = timesteps.length, spacing }: Pick<SampleConfig['sample'], 'steps' | 'spacing'>,
): readonly number[] {
  return steps === timesteps.length && spacing === undefined
    ? timesteps
    : spacedTimes(process, steps, spacing ?? 'even');
}

/**
 * The timesteps of full depth that a schedule is compared with: at the most steps that it was chosen among, unless others
 * are asked for.
 * @throws UserError if there are not as many timesteps
 */
export function fullTimesFor(
  schedule: Pick<Schedule, 'timesteps' | 'steps' | 'predicted'>,
  process: Diffusion,
  asked: Pick<SampleConfig['sample'], 'steps' | 'spacing'>,
): readonly number[] {
  const own = timesFor(schedule, process, asked);
  const { fewer } = schedule.predicted;
  const isItsOwn = own.join() === schedule.timesteps.join();
  return fewer && isItsOwn ? respace(schedule.steps, String(fewer.of)) : own;
}

/**
 * Draws images; which they are depends on the seed alone, not on the batch.
 * @throws Interrupted after the signal
 */
export async function draw(opened: OpenedBundle, options: DrawOptions): Promise<Drawing> {
  const { bundle } = opened;
  const { engine, config, seed, compare, perSample, signal, progress } = options;
  const { frozenPrecision = bundle.backbone.frozenPrecision, prompts = promptsOf(opened.model.spec) } =
    options;
  const plan = planDrawing(opened, config);
  const { guidedChannels } = plan;
  const model = { ...(await modelIn(opened.model, frozenPrecision)), guidedChannels };
  const { spec } = model;
  const { unconditional } = plan;
  const used = perSample || unconditional ? [] : plan.exits;
  const denoiser = await openGuided(
    engine,
    model,
    [...used, ...(compare ? [spec.depth] : [])],
    plan,
    prompts,
  );
  const apart =
    !perSample && unconditional
      ? await openApart(engine, model, [...plan.exits, ...unconditional], prompts)
      : undefined;
  const isGuided = plan.guidance !== 1;
  const leaving =
    perSample &&
    (await openPerSample(engine, model, perSample.uncertainty, perSample.threshold, isGuided, prompts));
  try {
    if (compare)
      for (const one of [denoiser, apart, leaving]) await one?.warmUp(Math.min(config.batch, config.count));
    const ways: Way[] = [
      leaving
        ? leavingWay(leaving, plan)
        : apart
          ? apartWay(apart, plan)
          : way('scheduled', denoiser, plan, (call) => plan.exits[call] ?? spec.depth),
      ...(compare
        ? [
            {
              ...way('full depth', denoiser, plan, () => spec.depth),
              // What samples leave by themselves is counted over their own steps.
              timesteps: leaving ? plan.timesteps : plan.fullTimesteps,
            },
          ]
        : []),
    ];
    const drawing = await drawAll(
      {
        ...{ seed, signal, timesteps: plan.timesteps, clip: plan.clip },
        solver: solverOf(config),
        diffusion: diffusion(bundle.diffusion),
        count: config.count,
        batch: config.batch,
        length: spec.channels * spec.imageSize ** 2,
        classes: prompts.count,
      },
      ways,
      (done, total) => progress.update(done, total, {}),
    );
    const [scheduled, full] = drawing.drawn;
    if (!scheduled) throw new Error('something is drawn');
    const spent = leaving?.spent();
    const { depthUsed } = spent ?? plan;
    return { ...plan, depthUsed, labels: drawing.labels, scheduled, full, left: spent?.exits };
  } finally {
    progress.end();
    await denoiser.dispose();
    await apart?.dispose();
    await leaving?.dispose();
  }
}

function way(name: string, denoiser: Denoiser, guidance: Guidance, exitOf: (call: number) => number): Way {
  return {
    name,
    begin() {
      const trajectory = denoiser.begin();
      return (x, t, y, call) => trajectory.predict(exitOf(call), { x, t, y, guidance: scaleAt(guidance, t) });
    },
  };
}

function apartWay(denoiser: ApartDenoiser, plan: DrawPlan & Guidance): Way {
  const at = (exits: readonly number[] | undefined, call: number): number => exits?.[call] ?? NaN;
  return {
    name: 'scheduled',
    begin() {
      const trajectory = denoiser.begin();
      return (x, t, y, call) =>
        trajectory.predict(at(plan.exits, call), at(plan.unconditional, call), {
          ...{ x, t, y, guidance: scaleAt(plan, t) },
        });
    },
  };
}

function leavingWay(denoiser: PerSampleDenoiser, guidance: Guidance): Way {
  return {
    name: 'per sample',
    begin: () => (x, t, y) => denoiser.predict({ x, t, y, guidance: scaleAt(guidance, t) }),
  };
}
