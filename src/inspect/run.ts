// What did a run make, and how far has it come?
import { dirname, join } from 'node:path';
import type { BackboneSpec } from '../backbones/backbone.js';
import { errorTablePath, schedulePath, sensitivityPath, trajectoriesPath } from '../bundle/export.js';
import { purposeOf } from '../config/purpose.js';
import type { PretrainConfig, TrainConfig } from '../config/schema.js';
import { countOf } from '../engine/tensors.js';
import { UserError } from '../errors.js';
import type { HeadPlan } from '../exits/heads.js';
import { describeUncertainty, type Judged } from '../exits/uncertaintyFile.js';
import { isFile } from '../files/disk.js';
import { calibrationPath, readCalibration } from '../schedules/calibrationFile.js';
import { readErrorTable, type MeasuredExit } from '../schedules/errorTable.js';
import { measuredExits } from '../schedules/profile.js';
import { readSchedule } from '../schedules/schedule.js';
import { readSensitivity } from '../schedules/sensitivity.js';
import { readTrajectories } from '../schedules/trajectories.js';
import { checkpointPath, checkpointSteps } from '../training/checkpoints.js';
import { openTrained } from '../training/openTrained.js';
import { uncertaintyPath, uncertaintyRunName } from '../training/trainUncertainty.js';
import { backboneFacts, type BackboneFacts, type UnfitBackboneFacts } from './backbone.js';
import { bytesAt } from './bytes.js';
import { fitProblems } from './fit.js';
import { attempted } from './attempted.js';

interface CommonFacts {
  readonly kind: 'run';
  readonly path: string;
  readonly bytes: number;
  readonly name: string;
  readonly steps: number;
  /** Checkpoints it keeps, newest first. */
  readonly checkpoints: readonly { readonly step: number; readonly bytes: number }[];
  readonly problems: readonly string[];
}

export interface UnfinishedRunFacts extends CommonFacts {
  readonly verb: 'train' | 'pretrain' | 'uncertainty';
  readonly state: 'unfinished';
  /** How to go on. */
  readonly resume: string;
}

export interface PretrainRunFacts extends CommonFacts {
  readonly verb: 'pretrain';
  readonly state: 'finished';
  readonly backbone: BackboneFacts | UnfitBackboneFacts;
}

export interface TrainRunFacts extends CommonFacts {
  readonly verb: 'train';
  readonly state: 'finished';
  readonly mode: TrainConfig['mode'];
  readonly source: string;
  readonly spec: BackboneSpec;
  /** Of the backbone. */
  readonly fingerprint: string;
  readonly plans: readonly HeadPlan[];
  /** Fingerprint of the heads. */
  readonly heads: string;
  readonly headParameters: number;
  readonly exits: readonly MeasuredExit[];
  /** What was made of it since. */
  readonly made: readonly Made[];
}

/** The training of uncertainty heads, which lies in the run whose heads they judge. */
export interface UncertaintyRunFacts extends CommonFacts {
  readonly verb: 'uncertainty';
  readonly state: 'finished';
  /** That run. */
  readonly of: string;
}

type Made =
  'error table' | 'sensitivities' | 'trajectories' | 'schedule' | 'uncertainty heads' | 'calibration';

/** Its training is done, but it does not open: its backbone is gone or another, or its heads are damaged. */
export interface UnopenedRunFacts extends CommonFacts {
  readonly verb: 'train';
  readonly state: 'unopened';
}

export type RunFacts =
  UnfinishedRunFacts | PretrainRunFacts | TrainRunFacts | UncertaintyRunFacts | UnopenedRunFacts;

/** @throws UserError if it is no run, or its config is wrong */
export async function runFacts(path: string): Promise<RunFacts> {
  const purpose = await purposeOf(join(path, 'config.yaml'));
  const loaded = purpose.kind === 'whole' ? purpose.loaded : undefined;
  switch (loaded?.kind) {
    case 'train':
      return (await isUncertaintyRun(path, loaded.config))
        ? uncertaintyRunFacts(path, loaded.config)
        : trainFacts(path, loaded.config);
    case 'pretrain':
      return pretrainFacts(path, loaded.config);
    case 'sample':
    case 'evaluate':
    case undefined:
      throw new UserError(
        `${path} has a config.yaml, but not one of a run. Give a folder that \`exithead train\` or \`exithead pretrain\` made.`,
      );
  }
}

async function common(
  path: string,
  { name, train }: TrainConfig | PretrainConfig,
): Promise<Omit<CommonFacts, 'problems'>> {
  const folder = { checkpoints: join(path, 'checkpoints') };
  const checkpoints: { step: number; bytes: number }[] = [];
  for (const step of await checkpointSteps(folder))
    checkpoints.push({ step, bytes: await bytesAt(checkpointPath(folder, step)) });
  return { kind: 'run', path, bytes: await bytesAt(path), name, steps: train.steps, checkpoints };
}

async function unfinished(
  path: string,
  verb: UnfinishedRunFacts['verb'],
  config: TrainConfig | PretrainConfig,
  target = path,
): Promise<UnfinishedRunFacts> {
  return {
    ...(await common(path, config)),
    ...{ verb, state: 'unfinished', resume: `exithead ${verb} ${target} --resume`, problems: [] },
  };
}

/** Whether a run trains uncertainty heads, for the run that it lies in. */
async function isUncertaintyRun(path: string, { name }: TrainConfig): Promise<boolean> {
  return name === uncertaintyRunName && (await isFile(join(dirname(path), 'config.yaml')));
}

/** Its last step leaves a checkpoint, and then its heads in the run that it lies in. */
async function uncertaintyRunFacts(path: string, config: TrainConfig): Promise<RunFacts> {
  const of = dirname(path);
  const { checkpoints, ...facts } = await common(path, config);
  const isDone = checkpoints[0]?.step === config.train.steps && (await isFile(uncertaintyPath({ path: of })));
  return isDone
    ? { ...facts, ...{ checkpoints, verb: 'uncertainty', state: 'finished', of, problems: [] } }
    : unfinished(path, 'uncertainty', config, of);
}

async function pretrainFacts(path: string, config: PretrainConfig): Promise<RunFacts> {
  const made = join(path, 'backbone');
  if (!(await isFile(join(made, 'config.json')))) return unfinished(path, 'pretrain', config);
  const backbone = await backboneFacts({ path: made, weights: 'auto' });
  return {
    ...(await common(path, config)),
    ...{ verb: 'pretrain', state: 'finished', backbone },
    problems: backbone.kind === 'unfit backbone' ? backbone.problems : [],
  };
}

async function trainFacts(path: string, config: TrainConfig): Promise<RunFacts> {
  if (!(await isFile(join(path, 'heads.safetensors')))) return unfinished(path, 'train', config);
  const opened = await attempted(() => openTrained(path));
  if ('problem' in opened)
    return {
      ...(await common(path, config)),
      ...{ verb: 'train', state: 'unopened', problems: [opened.problem] },
    };
  const { backbone, heads, model } = opened.result;
  const { run } = opened.result;
  const made: { readonly what: Made; readonly file: string; readonly names: Judged }[] = [];
  for (const [what, file, read] of [
    ['error table', errorTablePath(run), readErrorTable],
    ['sensitivities', sensitivityPath(run), readSensitivity],
    ['trajectories', trajectoriesPath(run), readTrajectories],
    ['schedule', schedulePath(run), readSchedule],
    [
      'uncertainty heads',
      uncertaintyPath(run),
      async (file: string) => (await describeUncertainty(file)).judged,
    ],
    ['calibration', calibrationPath(path), readCalibration],
  ] as const)
    if (await isFile(file)) made.push({ what, file, names: await read(file) });
  return {
    ...(await common(path, config)),
    ...{ verb: 'train', state: 'finished', mode: config.mode },
    ...{ source: backbone.source, spec: backbone.spec, fingerprint: backbone.fingerprint },
    plans: heads.plans,
    heads: heads.fingerprint,
    headParameters: countOf(heads.weights),
    exits: measuredExits(model),
    made: made.map(({ what }) => what),
    problems: made.flatMap(({ file, names }) =>
      fitProblems(file, [
        { what: 'backbone', place: backbone.source, expected: names.backbone, found: backbone.fingerprint },
        { what: 'heads', place: path, expected: names.heads, found: heads.fingerprint },
      ]),
    ),
  };
}
