// How is a backbone itself trained for its exits? All of it, or low-rank additions to its layers: the modes of ASE and LoRA.
import { join } from 'node:path';
import type { BackboneSpec } from '../backbones/backbone.js';
import { familyOf } from '../backbones/families.js';
import { fineTunable } from '../backbones/init.js';
import { exitRuleOf } from '../backbones/spec.js';
import type { OpenedBackbone } from '../checkpoints/backbone.js';
import { labelTable } from '../checkpoints/relabelled.js';
import { readTensors } from '../checkpoints/stored.js';
import { writeBackbone } from '../checkpoints/writeBackbone.js';
import type { TrainConfig } from '../config/schema.js';
import { tuningOf, type Tuning } from '../config/tuning.js';
import { diffusion } from '../diffusion/betas.js';
import type { Engine, Step, Tensors } from '../engine/engine.js';
import {
  countOf,
  type FrozenWeights,
  type HostTensors,
  type Shapes,
  type Weights,
} from '../engine/tensors.js';
import { unreachable } from '../errors.js';
import { checkedPlans, headPlan, type HeadPlan } from '../exits/heads.js';
import { writeHeads } from '../exits/headsFile.js';
import { queryOf } from '../exits/model.js';
import { isFile } from '../files/disk.js';
import { readSchedule, writeSchedule } from '../schedules/schedule.js';
import { macsOf, outline } from '../trace/trace.js';
import { gatheredGroups, stratifiedGroups, type ExitGroup } from './exitGroups.js';
import { earlyExits, exitsByTime, type ExitsRule } from './exitsByTime.js';
import { exitsInputs, exitsStep, learnsVariance, predictionsByGroup } from './exitsStep.js';
import { fit, rehearse, shapesOf, type Rehearsal, type Subject, type Work } from './fit.js';
import { layerOf, loraLayers, loraStart, merged, withFactors } from './lora.js';
import { writeLora } from './loraFile.js';
import { logLine, type Run } from './runFolder.js';
import { part, stateShapes } from './state.js';
import { mixtureTables } from './target.js';
import { timesRule, timeWeights } from './timeWeights.js';
import { headsAtStart, headsPath } from './trainHeads.js';
import type { UpdateOptions } from './update.js';
import { boundTables } from './variance.js';

/** Where a run keeps the backbone that it trained. @param run path of the run folder */
export function tunedBackbonePath(run: string): string {
  return join(run, 'backbone');
}

/** Where a run keeps the factors that are merged into that backbone. */
export function loraPath(run: Run): string {
  return join(run.path, 'lora.safetensors');
}

/** What of a backbone moves, and what becomes of it. */
interface Movement {
  /** What the first step starts from. */
  readonly weights: HostTensors;
  /** The weights of backbone and heads in a step. */
  readonly weightsOf: (frozen: Tensors, trained: Tensors) => Tensors;
  /** Parameters of the backbone that have moved. @param trained the averages, under the names of `weights` */
  readonly made: (trained: HostTensors) => Promise<HostTensors>;
}

type Parts = Omit<Subject, 'engine'> & {
  readonly plans: readonly HeadPlan[];
  readonly heads: HostTensors;
  readonly groups: readonly ExitGroup[];
  /** Exit by native t, [T]. */
  readonly deepestFirst: Float32Array;
  readonly stepAt: (groups: readonly ExitGroup[], options: UpdateOptions) => Step;
} & Pick<Movement, 'made'>;

/**
 * @param run folder of the run, once there is one
 * @throws UserError if the exits are not the backbone's, or a file that the config names cannot be read or does not fit
 */
export async function tuningParts(
  config: TrainConfig,
  backbone: OpenedBackbone,
  run?: string,
): Promise<Parts> {
  const { spec } = backbone;
  const tuning = tuningOf(config);
  const { batch } = config.train;
  const process = diffusion(config.diffusion);
  const exits = await exitsTrained(config, spec, run);
  const { kind, ...sizes } = config.heads;
  const plans = checkedPlans(
    spec,
    earlyExits(exits, spec.depth).map((exit) => headPlan(kind, exit, sizes)),
  );
  const heads = await headsAtStart(backbone, plans, config.seed);
  const groups = { skip: stratifiedGroups, gather: gatheredGroups }[tuning.finetune.form](exits, batch);
  const whole = { ...backbone.weights, ...heads };
  const read = weightsRead(spec, plans, groups, whole, batch);
  const { weights, weightsOf, made } = await movement(config, backbone, read);
  const moving = { ...weights, ...heads };
  const frozen = Object.fromEntries(Object.entries(whole).filter(([name]) => !Object.hasOwn(moving, name)));
  const lambda = await timeWeights(config.loss, process, backbone.fingerprint);
  const stepAt: Parts['stepAt'] = (at, options) => exitsStep(spec, plans, at, weightsOf, options);
  return {
    ...{ spec, plans, groups, heads, made, stepAt, weights: moving, frozen },
    config: { ...config, optimizer: { ...config.optimizer, ...tuning.optimizer } },
    stepOf: (options) => stepAt(groups, options),
    inputs: exitsInputs(spec, batch),
    times: timesRule(config.loss),
    timeWeights: {
      ...{ lambda, exit: exits, ...mixtureTables(process) },
      ...(learnsVariance(spec) && boundTables(process)),
    },
    deepestFirst: exits,
  };
}

/** Where a run keeps the schedule that it is trained at: the file that the config names may change. */
function keptSchedule(run: string): string {
  return join(run, 'trained-schedule.json');
}

/** Keeps the schedule that the config names, if it does, before anything is trained at it. */
async function keepSchedule(config: TrainConfig, run: string): Promise<void> {
  const { schedule } = tuningOf(config).finetune;
  if (schedule === undefined || (await isFile(keptSchedule(run)))) return;
  await writeSchedule(keptSchedule(run), await readSchedule(schedule));
}

/**
 * Exit that every native t is trained at, [T].
 * @param run folder of the run, which keeps the schedule that the config names
 * @throws UserError as `exitsByTime`, or if the schedule that the config names cannot be read
 */
export async function exitsTrained(
  config: Pick<TrainConfig, 'mode' | 'finetune' | 'lora' | 'diffusion'>,
  spec: BackboneSpec,
  run?: string,
): Promise<Float32Array> {
  return exitsByTime(await exitsRule(tuningOf(config), run), spec, config.diffusion.steps);
}

async function exitsRule({ finetune }: Tuning, run: string | undefined): Promise<ExitsRule> {
  const { schedule, exits, meanDepth } = finetune;
  if (schedule !== undefined) {
    const path = run !== undefined && (await isFile(keptSchedule(run))) ? keptSchedule(run) : schedule;
    return { kind: 'solved', schedule: await readSchedule(path), path };
  }
  return exits === 'ase' ? { kind: 'falling', meanDepth } : { kind: 'counts', counts: exits };
}

/** Names of the weights that the exits read; others, such as those of blocks after the deepest exit, have no gradient. */
function weightsRead(
  spec: BackboneSpec,
  plans: readonly HeadPlan[],
  groups: readonly ExitGroup[],
  all: FrozenWeights,
  batch: number,
): ReadonlySet<string> {
  const forward: Step = (_state, inputs, weights) => {
    const backbone = familyOf(spec).bind(spec, weights);
    const each = predictionsByGroup(backbone, { plans, weights }, queryOf(inputs, spec), groups);
    return { state: {}, out: Object.fromEntries(each.map((one) => [`${one.exit}`, one.prediction])) };
  };
  return new Set(outline(forward, { state: {}, batch: exitsInputs(spec, batch), frozen: all }).frozen);
}

async function movement(
  config: TrainConfig,
  backbone: OpenedBackbone,
  read: ReadonlySet<string>,
): Promise<Movement> {
  switch (config.mode) {
    case 'frozen':
      throw new Error('in mode frozen nothing of the backbone moves');
    case 'finetune':
      return {
        weights: await chosen(
          backbone.weights,
          fineTunable(backbone.spec).filter((name) => read.has(name)),
        ),
        weightsOf: (frozen, trained) => ({ ...frozen, ...trained }),
        made: (trained) => Promise.resolve(trained),
      };
    case 'lora':
      return lowRankMovement(config, backbone, read);
    default:
      return unreachable(config.mode);
  }
}

async function lowRankMovement(
  config: TrainConfig,
  { weights }: OpenedBackbone,
  read: ReadonlySet<string>,
): Promise<Movement> {
  const { lora } = tuningOf(config);
  const names = loraLayers(weights).filter((name) => read.has(name));
  const shapes: Shapes = Object.fromEntries(names.map((name) => [name, weights[name]?.shape ?? []]));
  const tables = lora.labels
    ? Object.keys(weights).filter((name) => labelTable.test(name) && read.has(name))
    : [];
  return {
    weights: { ...(await chosen(weights, tables)), ...loraStart(shapes, lora, config.seed) },
    weightsOf: (frozen, trained) => ({
      ...frozen,
      ...trained,
      ...withFactors(only(frozen, names), { ...frozen, ...trained }, lora),
    }),
    made: async (trained) => {
      const layers = Object.entries(await chosen(weights, names));
      return {
        ...trained,
        ...Object.fromEntries(layers.map(([name, layer]) => [name, merged(name, layer, trained, lora)])),
      };
    },
  };
}

function chosen(weights: Weights, names: readonly string[]): Promise<HostTensors> {
  return readTensors(only(weights, names));
}

function only<T>(record: Readonly<Record<string, T>>, names: readonly string[]): Record<string, T> {
  const wanted = new Set(names);
  return Object.fromEntries(Object.entries(record).filter(([name]) => wanted.has(name)));
}

/**
 * Trains a backbone at the exits of its times, and heads with it where they have weights. Leaves the averages: the backbone
 * in backbone/ of the run, the factors of mode lora in lora.safetensors, and last heads.safetensors, which belongs to
 * that backbone.
 * @returns path of the heads
 */
export async function tune(
  run: Run,
  config: TrainConfig,
  backbone: OpenedBackbone,
  work: Work,
): Promise<string> {
  await keepSchedule(config, run.path);
  const { plans, heads, made, config: settings, ...subject } = await tuningParts(config, backbone, run.path);
  const { spec } = backbone;
  const exits = [...plans.map(({ exit }) => exit), spec.depth].join(', ');
  const line = `${spec.size}, mode ${config.mode}: ${countOf(subject.weights).toLocaleString('en')} weights to train at exits ${exits}`;
  work.say(line);
  await logLine(run, line);
  const options = { ...work, ...subject, run, config: settings, origin: backbone.fingerprint };
  const trained = part(await fit(options), 'ema');
  const own = Object.fromEntries(Object.entries(trained).filter(([name]) => !Object.hasOwn(heads, name)));
  if (config.mode === 'lora')
    await writeLora(loraPath(run), tuningOf(config).lora, own, backbone.fingerprint);
  const fingerprint = await writeBackbone(
    tunedBackbonePath(run.path),
    spec,
    { ...(await readTensors(backbone.weights)), ...(await made(own)) },
    { metadata: { made_by: 'exithead train', mode: config.mode, seed: String(config.seed) } },
  );
  const path = headsPath(run);
  await writeHeads(path, plans, only(trained, Object.keys(heads)), fingerprint, exitRuleOf(spec));
  return path;
}

/** What training would take. Nothing is written. */
export async function rehearseTuning(
  config: TrainConfig,
  backbone: OpenedBackbone,
  engine: Engine,
): Promise<Rehearsal> {
  const parts = await tuningParts(config, backbone);
  return rehearse({ ...parts, engine, macs: meanMacs(parts, config.train.batch) });
}

/**
 * Multiply-adds of one sample in a step, on average over the times: where blocks are skipped those of each exit, as often as
 * it is left at.
 */
function meanMacs(
  { spec, plans, groups, weights, frozen, stepAt, deepestFirst: exits, config }: Parts,
  batch: number,
): number {
  const all: FrozenWeights = { ...frozen, ...weights };
  const macsAt = (some: readonly ExitGroup[]): number => {
    const ofAll = (to: number): readonly ExitGroup[] => some.map(({ exit }) => ({ exit, from: 0, to }));
    const read = weightsRead(spec, plans, ofAll(batch), all, batch);
    // Factors of a layer that no sample reaches have no gradient.
    const used = <T>(record: Readonly<Record<string, T>>): Record<string, T> =>
      Object.fromEntries(Object.entries(record).filter(([name]) => read.has(layerOf(name))));
    const moves = used(weights);
    const shapes = Object.entries(stateShapes(shapesOf(moves)));
    const step: Step = (state, inputs, still) =>
      stepAt(ofAll(inputs['x']?.shape[0] ?? 0), config.optimizer)(state, inputs, still);
    return macsOf(step, {
      state: Object.fromEntries(shapes.map(([name, shape]) => [name, { shape }])),
      batch: exitsInputs(spec, 'batch'),
      frozen: used(frozen),
    });
  };
  if (groups.every(({ from, to }) => from === 0 && to === batch)) return macsAt(groups);
  const shareOf = (exit: number): number => exits.filter((own) => own === exit).length / exits.length;
  return groups.reduce((sum, group) => sum + shareOf(group.exit) * macsAt([group]), 0);
}
