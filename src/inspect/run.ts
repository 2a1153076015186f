// What did a run make, and how far has it come?
import { join } from 'node:path';
import type { BackboneSpec } from '../backbones/backbone.js';
import { purposeOf } from '../config/purpose.js';
import type { PretrainConfig, TrainConfig } from '../config/schema.js';
import { countOf } from '../engine/tensors.js';
import { UserError } from '../errors.js';
import type { HeadPlan } from '../exits/heads.js';
import { isFile } from '../files/disk.js';
import { readErrorTable, type MeasuredExit } from '../schedules/errorTable.js';
import { measuredExits } from '../schedules/profile.js';
import { readSchedule } from '../schedules/schedule.js';
import { checkpointPath, checkpointSteps } from '../training/checkpoints.js';
import { openTrained } from '../training/openTrained.js';
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
  readonly verb: 'train' | 'pretrain';
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
  readonly made: readonly ('error table' | 'schedule')[];
}

/** Its training is done, but it does not open: its backbone is gone or another, or its heads are damaged. */
export interface UnopenedRunFacts extends CommonFacts {
  readonly verb: 'train';
  readonly state: 'unopened';
}

export type RunFacts = UnfinishedRunFacts | PretrainRunFacts | TrainRunFacts | UnopenedRunFacts;

/** @throws UserError if it is no run, or its config is wrong */
export async function runFacts(path: string): Promise<RunFacts> {
  const purpose = await purposeOf(join(path, 'config.yaml'));
  const loaded = purpose.kind === 'whole' ? purpose.loaded : undefined;
  switch (loaded?.kind) {
    case 'train':
      return trainFacts(path, loaded.config);
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
): Promise<UnfinishedRunFacts> {
  return {
    ...(await common(path, config)),
    ...{ verb, state: 'unfinished', resume: `exithead ${verb} ${path} --resume`, problems: [] },
  };
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
  const table = join(path, 'error-table.json');
  const schedule = join(path, 'schedule.json');
  const made = [
    ...((await isFile(table))
      ? [{ what: 'error table' as const, file: table, names: await readErrorTable(table) }]
      : []),
    ...((await isFile(schedule))
      ? [{ what: 'schedule' as const, file: schedule, names: await readSchedule(schedule) }]
      : []),
  ];
  return {
    ...(await common(path, config)),
    ...{ verb: 'train', state: 'finished' },
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
