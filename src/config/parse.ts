// Is this value a config? Checks what a program made; files go through load.ts, which says where a mistake stands.
import type { z } from 'zod';
import { keyName, problemsOf, refusal, type Problem } from './problems.js';
import {
  schemas,
  type ConfigKind,
  type ConfigOf,
  type PretrainConfig,
  type SampleConfig,
  type TrainConfig,
} from './schema.js';

export type Checked<T> =
  { readonly ok: true; readonly config: T } | { readonly ok: false; readonly problems: readonly Problem[] };

/** Checks a value and fills in defaults. The config is frozen, all the way down. */
export function check<Kind extends ConfigKind>(kind: Kind, value: unknown): Checked<ConfigOf[Kind]> {
  const schema: z.ZodType = schemas[kind];
  const result = schema.safeParse(value);
  if (!result.success) return { ok: false, problems: problemsOf(kind, result.error, value) };
  return { ok: true, config: deepFreeze(result.data as ConfigOf[Kind]) };
}

/** @throws UserError naming every key that is wrong */
export function parsePretrain(value: unknown): PretrainConfig {
  return parse('pretrain', value);
}

/** @throws UserError naming every key that is wrong */
export function parseTrain(value: unknown): TrainConfig {
  return parse('train', value);
}

/** @throws UserError naming every key that is wrong */
export function parseSample(value: unknown): SampleConfig {
  return parse('sample', value);
}

function parse<Kind extends ConfigKind>(kind: Kind, value: unknown): ConfigOf[Kind] {
  const checked = check(kind, value);
  if (checked.ok) return checked.config;
  throw refusal(checked.problems.map(({ path, message }) => `${keyName(path) || 'config'}: ${message}`));
}

function deepFreeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null) {
    Object.values(value).forEach(deepFreeze);
    Object.freeze(value);
  }
  return value;
}
