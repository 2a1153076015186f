// What must two keys of a config keep to, and when is that looked at?
import type { z } from 'zod';

/** A rule between keys: checked as soon as those keys are right by themselves. */
export interface Rule<Config> {
  /** The first is the one to mend, where the message points. */
  readonly keys: readonly (readonly [string, ...string[]])[];
  readonly broken: (config: Config) => string | undefined;
}

/** The schema that checks its keys, and then these rules. */
export function withRules<Schema extends z.ZodObject>(
  schema: Schema,
  rules: readonly Rule<z.output<Schema>>[],
): Schema {
  return rules.reduce<Schema>(
    (checked, { keys, broken }) =>
      checked.refine((config) => broken(config) === undefined, {
        path: [...(keys[0] ?? [])],
        error: ({ input }) => broken(input as z.output<Schema>) ?? '',
        when: ({ issues }) =>
          !issues.some((issue) =>
            keys.some((key) => overlap(key, [...(issue.path ?? []), ...unknownKey(issue)])),
          ),
      }),
    schema,
  );
}

/** An unknown key is no reason to leave the known ones unchecked. */
function unknownKey(issue: z.core.$ZodRawIssue): string[] {
  return issue.code === 'unrecognized_keys' ? ['?'] : [];
}

function overlap(key: readonly string[], path: readonly PropertyKey[]): boolean {
  const length = Math.min(key.length, path.length);
  return key.slice(0, length).every((segment, i) => segment === path[i]);
}
