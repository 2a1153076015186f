// Which data does a config name, whatever it is for?
import { isFolder } from '../files/disk.js';
import { join } from 'node:path';
import { UserError } from '../errors.js';
import { fileLayers, merge } from './layers.js';
import { check } from './parse.js';
import { movePaths } from './paths.js';
import { keyName, refusal } from './problems.js';
import type { EvaluateConfig } from './schema.js';
import { isRecord } from '../files/places.js';

/**
 * The section `data` of a config.
 * @param path of a YAML file, or of the folder of a run
 * @throws UserError if there is none, or it is wrong
 */
export async function dataOf(path: string): Promise<NonNullable<EvaluateConfig['data']>> {
  const file = (await isFolder(path)) ? join(path, 'config.yaml') : path;
  const value = (await fileLayers(file))
    .map(({ data, folder }) => movePaths('train', data, folder, '.'))
    .reduce<unknown>(merge, {});
  const data = isRecord(value) && Object.hasOwn(value, 'data') ? value['data'] : undefined;
  const checked = check('evaluate', { data });
  if (!checked.ok)
    throw refusal(checked.problems.map((one) => `${file}  ${keyName(one.path)}: ${one.message}`));
  if (checked.config.data) return checked.config.data;
  throw new UserError(
    `${file} has no section \`data\`. Give a config that names images, such as that of a run.`,
  );
}
