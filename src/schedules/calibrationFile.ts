// Where does a calibration lie, and which threshold does it give for a depth used?
import { join } from 'node:path';
import { UserError } from '../errors.js';
import { calibrationFormat, type Calibration } from './calibration.js';
import { readJsonFile, writeJsonFile } from '../files/jsonFile.js';

/** @param folder of a run or a bundle */
export const calibrationPath = (folder: string): string => join(folder, 'calibration.json');

/** @throws UserError naming the file and what is wrong in it */
export function readCalibration(path: string): Promise<Calibration> {
  return readJsonFile(path, calibrationFormat);
}

export function writeCalibration(path: string, calibration: Calibration): Promise<void> {
  return writeJsonFile(path, calibrationFormat, calibration);
}

/**
 * The smallest threshold that used at most this depth on the calibration's samples: single predictions at times spread
 * evenly, so a trajectory may use another.
 * @throws UserError if even the first exit uses more
 */
export function thresholdWithin({ rules }: Pick<Calibration, 'rules'>, budget: number): number {
  const fitting = rules.filter(({ depthUsed }) => depthUsed <= budget);
  const [first, ...rest] = fitting;
  if (!first)
    throw new UserError(
      `a depth used of ${budget} cannot be reached; the least is ` +
        `${Math.min(...rules.map(({ depthUsed }) => depthUsed)).toFixed(3)}, where all samples leave at the first exit.`,
    );
  return rest.reduce((least, rule) => (rule.threshold < least.threshold ? rule : least), first).threshold;
}
