// How are the options of a config.json checked, and what is said where they are wrong?
import { z } from 'zod';
import { UserError } from '../errors.js';

/** Limits keep a bad file from filling memory. */
export const count = (most: number): z.ZodInt => z.int().min(1).max(most);

/** A rule that holds, or what is wrong. */
export type Fit = readonly [holds: boolean, message: string];

/**
 * Options that are right one by one and together.
 * @param noun what they should describe: 'DiT'
 * @throws UserError naming the file and all that is wrong in it
 */
export function checkedOptions<Options>(
  schema: z.ZodType<Options>,
  json: unknown,
  { path, noun, rules }: { path: string; noun: string; rules: (options: Options) => readonly Fit[] },
): Options {
  const refuse = (problems: readonly string[]): UserError =>
    new UserError(`${path} describes no ${noun}:\n${problems.map((problem) => `  ${problem}`).join('\n')}`);
  const parsed = schema.safeParse(json);
  if (!parsed.success) throw refuse(parsed.error.issues.map(describe));
  const misfits = rules(parsed.data).flatMap(([holds, message]) => (holds ? [] : [message]));
  if (misfits.length > 0) throw refuse(misfits);
  return parsed.data;
}

/** What holds in every family, in the words of its own options. */
export function commonFits(
  input: readonly [name: string, side: number],
  patch: number,
  [widthName, width]: readonly [name: string, width: number],
  heads: number,
  mlpRatio: number,
): readonly Fit[] {
  const [inputName, side] = input;
  return [
    [side % patch === 0, `patch_size ${patch} does not divide ${inputName} ${side}; choose one that does`],
    [width % heads === 0, `num_heads ${heads} does not divide ${widthName} ${width}; choose one that does`],
    [
      Number.isInteger(width * mlpRatio),
      `mlp_ratio ${mlpRatio} times ${widthName} ${width} is not a whole number`,
    ],
  ];
}

function describe({ path, message }: z.core.$ZodIssue): string {
  return path.length > 0 ? `${path.join('.')}: ${message}` : message;
}
