// What did an evaluation, sensitivities, trajectories, a calibration or a part of an error table find, and do they fit the
// heads beside them?
import { evaluationFormat, type Evaluation } from '../evaluate/results.js';
import { readCalibration } from '../schedules/calibrationFile.js';
import type { Calibration } from '../schedules/calibration.js';
import { readErrorPart, type ErrorPart } from '../schedules/errorParts.js';
import { readJsonFile } from '../files/jsonFile.js';
import { readSensitivity, type Sensitivity } from '../schedules/sensitivity.js';
import { readFront, type FrontFile } from '../schedules/frontFile.js';
import { readTrajectories, type Trajectories } from '../schedules/trajectories.js';
import { bytesAt } from './bytes.js';
import { fitProblems, fitsOf, type Fit } from './fit.js';

interface Measured<Kind extends string, T> {
  readonly kind: Kind;
  readonly path: string;
  readonly bytes: number;
  /** What stands in the file. */
  readonly table: T;
  readonly fits: readonly Fit[];
  readonly problems: readonly string[];
}

export type EvaluationFacts = Measured<'evaluation', Evaluation>;
export type SensitivityFacts = Measured<'sensitivities', Sensitivity>;
export type ErrorPartFacts = Measured<
  'part of an error table',
  Pick<ErrorPart, 'format' | 'drawn' | 'shard' | 'batches' | 'done'> &
    Pick<ErrorPart['measured'], 'backbone' | 'heads' | 'exits'>
>;
export type TrajectoriesFacts = Measured<'trajectories', Trajectories>;
export type FrontFacts = Measured<'front', FrontFile>;
export type CalibrationFacts = Measured<'calibration', Calibration>;

export async function evaluationFacts(path: string, given: string | undefined): Promise<EvaluationFacts> {
  return measured('evaluation', path, await readJsonFile(path, evaluationFormat), given);
}

export async function sensitivityFacts(path: string, given: string | undefined): Promise<SensitivityFacts> {
  return measured('sensitivities', path, await readSensitivity(path), given);
}

export async function trajectoriesFacts(path: string, given: string | undefined): Promise<TrajectoriesFacts> {
  return measured('trajectories', path, await readTrajectories(path), given);
}

export async function frontFacts(path: string, given: string | undefined): Promise<FrontFacts> {
  return measured('front', path, await readFront(path), given);
}

/** Without its sums, which say nothing to a person. */
export async function errorPartFacts(path: string, given: string | undefined): Promise<ErrorPartFacts> {
  const { measured: of, drawn, shard, batches, done, format } = await readErrorPart(path);
  const table = {
    format,
    backbone: of.backbone,
    heads: of.heads,
    exits: of.exits,
    drawn,
    shard,
    batches,
    done,
  };
  return measured('part of an error table', path, table, given);
}

export async function calibrationFacts(path: string, given: string | undefined): Promise<CalibrationFacts> {
  return measured('calibration', path, await readCalibration(path), given);
}

async function measured<Kind extends string, T extends { readonly backbone: string; readonly heads: string }>(
  kind: Kind,
  path: string,
  table: T,
  given: string | undefined,
): Promise<Measured<Kind, T>> {
  const fits = await fitsOf(path, table, given);
  return { kind, path, bytes: await bytesAt(path), table, fits, problems: fitProblems(path, fits) };
}
