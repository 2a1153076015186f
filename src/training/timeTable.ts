// How much does each time count, by a file of one's own? JSON or CSV, checked as carefully as a config.
import { extname } from 'node:path';
import { z } from 'zod';
import { UserError } from '../errors.js';
import { checked, readJsonFile, readText, shown, jsonFormat } from '../files/jsonFile.js';
import type { TimeTable } from './lambda.js';

const schema = z
  .object({
    format: z.literal('exithead-time-weights'),
    version: z.literal(1),
    axis: z
      .enum(['t', 'logSnr'])
      .describe('what `at` counts: native t, or log-SNR, ln(alphasCumprod / (1 - alphasCumprod))'),
    points: z
      .array(
        z.object({
          at: z.number().describe('native t or log-SNR; ascending'),
          weight: z.number().min(0).max(1e9).describe('of the squared error of epsilon there'),
        }),
      )
      .min(1)
      .max(100_000)
      .describe('weights on straight lines between the points, and level beyond the first and the last'),
  })
  .superRefine(({ points }, context) => {
    points.forEach(({ at }, i) => {
      const before = points[i - 1]?.at;
      if (before !== undefined && at <= before)
        context.addIssue({
          code: 'custom',
          path: ['points', i, 'at'],
          message: `is ${at} after ${before}, expected more: list the points in ascending order, each once`,
        });
    });
    if (points.every(({ weight }) => weight === 0))
      context.addIssue({
        code: 'custom',
        path: ['points'],
        message: 'have only zeros, expected at least one time that counts',
      });
  });

export const timeWeightsFormat = jsonFormat<z.output<typeof schema>>({
  schema,
  noun: 'a table of time weights',
  remedy:
    'Give a .json file of format exithead-time-weights, or a .csv file with the columns t,weight or logSnr,weight (docs/losses.md).',
});

/**
 * Reads weights by time: a .csv file whose first line is `t,weight` or `logSnr,weight`, anything else as JSON.
 * @throws UserError naming the file and what is wrong in it
 */
export async function readTimeTable(path: string): Promise<TimeTable> {
  if (extname(path).toLowerCase() !== '.csv') return readJsonFile(path, timeWeightsFormat);
  return checked(csvTable(await readText(path, timeWeightsFormat), path), path, timeWeightsFormat);
}

/** What the text says, as the JSON would say it. */
function csvTable(text: string, path: string): unknown {
  const { name, version, remedy } = timeWeightsFormat;
  const [header = '', ...lines] = text.replace(/^\uFEFF/, '').split(/\r?\n/);
  const [axis, second, ...more] = cells(header);
  if ((axis !== 't' && axis !== 'logSnr') || second !== 'weight' || more.length > 0)
    throw new UserError(
      `${path} is not ${timeWeightsFormat.noun}: its first line is ${shown(header)}, expected t,weight or logSnr,weight. ${remedy}`,
    );
  const points = lines.flatMap((line, i) => {
    if (line.trim() === '') return [];
    const [at, weight, ...rest] = cells(line).map(numberIn);
    if (at === undefined || weight === undefined || rest.length > 0)
      throw new UserError(
        `${path}:${i + 2} is ${shown(line)}, expected two numbers, such as 100,0.5. ${remedy}`,
      );
    return [{ at, weight }];
  });
  return { format: name, version, axis, points };
}

function cells(line: string): string[] {
  return line.split(',').map((cell) => cell.trim());
}

function numberIn(cell: string): number | undefined {
  const number = Number(cell);
  return cell === '' || !Number.isFinite(number) ? undefined : number;
}
