// What is a verb? What its file declares, and what it gets when it runs.
import type { Setting } from '../config/layers.js';
import type { ConfigKind } from '../config/schema.js';
import type { Terminal } from './terminal.js';

/** A flag of one verb that is no config key. */
export interface Flag {
  /** A list is made of texts, for the flag may be given often. */
  readonly type: 'string' | 'number' | 'boolean' | 'list';
  readonly meaning: string;
  /** One letter. */
  readonly alias?: string;
  /** What a string may be. */
  readonly choices?: readonly string[];
}
export type Flags = Readonly<Record<string, Flag>>;

interface ValueByType<Choices> {
  readonly boolean: boolean;
  readonly number: number | undefined;
  readonly list: readonly string[];
  readonly string: (Choices extends readonly (infer Choice)[] ? Choice : string) | undefined;
}

/** Values of a verb's flags; undefined or false where not given. */
export type Values<Of extends Flags> = {
  readonly [Name in keyof Of]: ValueByType<Of[Name]['choices']>[Of[Name]['type']];
};

/** A flag that is short for `--set key=value`; type, limits and meaning come from the config's schema. */
export interface Shortcut {
  readonly key: string;
  /** One letter. */
  readonly alias?: string;
}

export interface Positional {
  /** Such as `run`; a positional `config` may also be given with --config. */
  readonly name: string;
  readonly meaning: string;
  readonly required: boolean;
  /** What it may be. */
  readonly choices?: readonly string[];
}

/** Flags that several verbs share; every verb also has --json, --quiet and --help. */
export type CommonFlag = 'config' | 'set' | 'out' | 'engine' | 'seed' | 'resume' | 'dry-run';

/** What a verb takes. */
export interface Declaration<Options extends Flags = Flags> {
  /** What to type, and what it does. The first is also shown when something is missing. */
  readonly examples: readonly [Example, ...Example[]];
  readonly positional?: Positional;
  /** A second word, after the positional. */
  readonly operand?: Positional;
  readonly common: readonly CommonFlag[];
  /** The config that --set, --engine, --seed and shortcuts change. */
  readonly configKind?: ConfigKind;
  readonly shortcuts?: Readonly<Record<string, Shortcut>>;
  readonly options: Options;
}

export interface Verb<Options extends Flags = Flags> extends Declaration<Options> {
  /**
   * Calls one library function and prints. Long work ends with `Interrupted` soon after `call.signal`.
   * @returns what --json prints
   */
  run(call: Call<Options>, terminal: Terminal): Promise<Result>;
}
export type Result = Readonly<Record<string, unknown>>;
export type Example = readonly [command: string, meaning: string];

/** What the user asked of a verb. */
export interface Call<Options extends Flags = Flags> {
  /** The positional, unless it is a config. */
  readonly target: string | undefined;
  /** The second word. */
  readonly operand: string | undefined;
  readonly config: string | undefined;
  /** --set, --engine, --seed and shortcuts, for `loadConfig`. */
  readonly set: readonly Setting[];
  readonly out: string | undefined;
  readonly resume: boolean;
  readonly dryRun: boolean;
  readonly options: Values<Options>;
  /** Aborts when the user presses Ctrl-C. */
  readonly signal: AbortSignal;
}

/** Declares what a verb takes, apart from its work. */
export function declare<const Options extends Flags>(declared: Declaration<Options>): Declaration<Options> {
  return declared;
}

export type OptionsOf<Declared> = Declared extends Declaration<infer Options> ? Options : never;

/** Declares a verb; `call.options` gets its types from `options`. */
export function verb<const Options extends Flags>(declared: Verb<Options>): Verb<Options> {
  return declared;
}

/** A line of the table of verbs. */
export interface VerbEntry {
  readonly name: string;
  readonly summary: string;
  readonly load: () => Promise<Verb>;
}

/** The positional of a verb that requires one. */
export function targetOf({ target }: Pick<Call, 'target'>): string {
  if (target === undefined) throw new Error('a verb whose positional is required was called without it');
  return target;
}
