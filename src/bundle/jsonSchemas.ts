// What may stand in exithead's JSON files? Their schemas, for readers in other languages.
import { z } from 'zod';
import { captionsFormat } from '../data/captions.js';
import { latentsFormat } from '../data/latentsIndex.js';
import { featuresFormat } from '../evaluate/featuresFile.js';
import { evaluationFormat } from '../evaluate/results.js';
import { calibrationFormat } from '../schedules/calibration.js';
import { errorPartFormat } from '../schedules/errorParts.js';
import { errorTableFormat } from '../schedules/errorTable.js';
import { frontFormat } from '../schedules/frontFile.js';
import type { JsonFormat } from '../files/jsonFile.js';
import { scheduleFormat } from '../schedules/schedule.js';
import { sensitivityFormat } from '../schedules/sensitivity.js';
import { trajectoriesFormat } from '../schedules/trajectories.js';
import { timeWeightsFormat } from '../training/timeTable.js';
import { bundleFormat } from './description.js';
import { onnxManifestFormat } from './onnxManifest.js';

/** A JSON Schema (draft 2020-12). */
export type JsonSchema = Readonly<Record<string, unknown>>;

/**
 * The schema of every JSON format by its name and version, such as `exithead-schedule-2`. They describe shapes and
 * ranges; the readers also check what a schema cannot say, such as that lists fit each other.
 */
export function jsonSchemas(): Readonly<Record<string, JsonSchema>> {
  return Object.fromEntries([
    schemaOf(errorTableFormat),
    schemaOf(errorPartFormat),
    schemaOf(scheduleFormat),
    schemaOf(frontFormat),
    schemaOf(sensitivityFormat),
    schemaOf(trajectoriesFormat),
    schemaOf(calibrationFormat),
    schemaOf(bundleFormat),
    schemaOf(onnxManifestFormat),
    schemaOf(timeWeightsFormat),
    schemaOf(captionsFormat),
    schemaOf(latentsFormat),
    schemaOf(featuresFormat),
    schemaOf(evaluationFormat),
  ]);
}

function schemaOf<T>({ name, version, schema }: JsonFormat<T>): [string, JsonSchema] {
  return [`${name}-${version}`, { title: name, ...z.toJSONSchema(schema) }];
}
