// What did the user ask for? Turns the words after a verb into a call, or into its help.
import yargs, { type Argv, type Options } from 'yargs';
import { keyAt, type Key } from '../config/keys.js';
import { parseSetting, type Setting } from '../config/layers.js';
import { nearest } from '../nearest.js';
import { messageOf, UserError } from '../errors.js';
import type { Call, CommonFlag, Flag, Flags, Positional, Shortcut, Values, Verb, VerbEntry } from './verb.js';

const configKeyFlags: Readonly<Partial<Record<CommonFlag, Shortcut>>> = {
  engine: { key: 'engine.kind' },
  seed: { key: 'seed' },
};

const commonFlags: Readonly<
  Record<Exclude<CommonFlag, 'engine' | 'seed'> | 'json' | 'quiet' | 'help', Options>
> = {
  config: { type: 'string', alias: 'c', describe: 'config file' },
  set: { type: 'string', describe: 'change a config key: --set train.steps=500; may be given often' },
  out: { type: 'string', describe: 'folder to write to' },
  resume: { type: 'boolean', describe: 'go on where the run stopped' },
  'dry-run': { type: 'boolean', describe: 'check everything, say what would be done, do nothing' },
  json: { type: 'boolean', describe: 'print the result as one JSON document' },
  quiet: { type: 'boolean', describe: 'print warnings and errors alone' },
  help: { type: 'boolean', alias: 'h', describe: 'show this help' },
};

/** What stands behind the help of all verbs. @param entries the table of verbs */
export function overviewHelp(entries: readonly VerbEntry[], width: number): Promise<string> {
  const parser = base([], width).usage(
    'exithead VERB [options]\n\nMakes a pretrained diffusion transformer sample faster: trains exit heads on it, measures every exit at ' +
      'every time, and leaves early where little is lost.',
  );
  for (const { name, summary } of entries) parser.command(name, summary);
  return parser
    .updateStrings({ 'Commands:': 'Verbs:' })
    .options({ help: commonFlags.help, version: { type: 'boolean', describe: 'show the version' } })
    .epilogue('`exithead VERB --help` explains one verb, with examples.')
    .getHelp();
}

export function verbHelp(entry: VerbEntry, verb: Verb, width: number): Promise<string> {
  return parserOf(entry, verb, [], width).getHelp();
}

/**
 * Reads the words after a verb.
 * @throws UserError naming what is unknown, missing or given twice
 */
export async function parseCall(
  entry: VerbEntry,
  verb: Verb,
  words: readonly string[],
  signal: AbortSignal,
): Promise<Call> {
  refuseValues(flagsOf(verb), words);
  const parsed: Readonly<Record<string, unknown>> & { readonly _: readonly (string | number)[] } =
    await parserOf(entry, verb, words, 100).parseAsync();
  const flags = flagsOf(verb);
  refuseUnknown(entry, flags, Object.keys(parsed));
  const one = (name: string): string | undefined => single(name, parsed[name]);
  const [target, operand] = positionals(entry, verb, parsed._.map(String));
  const shortcuts = Object.entries(shortcutsOf(verb)).flatMap(([name, { key }]): Setting[] => {
    const text = one(name);
    return text === undefined ? [] : [{ key, text, from: `--${name} ${text}` }];
  });
  const set = [parsed.set ?? []].flat().map((text) => parseSetting(textOf(text)));
  const isConfig = verb.positional?.name === 'config';
  if (isConfig && target !== undefined && one('config') !== undefined)
    throw new UserError(`a config is given twice, ${target} and --config ${one('config')}; give one of them`);
  const config = one('config') ?? (isConfig ? target : undefined);
  if (verb.positional?.required && (isConfig ? config : target) === undefined)
    throw new UserError(
      `exithead ${entry.name} needs a ${verb.positional.name}: ${verb.positional.meaning}. For example: ${verb.examples[0][0]}`,
    );
  return {
    target: isConfig ? undefined : target,
    operand,
    config,
    set: [...set, ...shortcuts],
    out: one('out'),
    resume: parsed.resume === true,
    dryRun: parsed['dry-run'] === true,
    options: optionValues(verb.options, parsed),
    signal,
  };
}

/** The verb of that name. @throws UserError with the nearest one */
export function findVerb(entries: readonly VerbEntry[], name: string): VerbEntry {
  const found = entries.find((entry) => entry.name === name);
  if (found) return found;
  const names = entries.map((entry) => entry.name);
  if (name.startsWith('-'))
    throw new UserError(
      `${name} stands where a verb is expected: exithead VERB [options]. Verbs: ${names.join(', ')}`,
    );
  throw new UserError(
    `there is no verb ${JSON.stringify(name)}${hint(nearest(name, names), `verbs: ${names.join(', ')}`)}`,
  );
}

function base(words: readonly string[], width: number): Argv {
  return yargs([...words])
    .scriptName('exithead')
    .locale('en')
    .help(false)
    .version(false)
    .exitProcess(false)
    .wrap(width)
    .parserConfiguration({
      'camel-case-expansion': false,
      'dot-notation': false,
      'boolean-negation': false,
      'parse-positional-numbers': false,
    })
    .fail((message, error: unknown) => {
      throw new UserError(inOurWords(message || messageOf(error)));
    });
}

function inOurWords(message: string): string {
  const [, name] = /^Not enough arguments following: (.+)$/.exec(message) ?? [];
  return name === undefined ? message : `--${name} needs a value`;
}

function parserOf(entry: VerbEntry, verb: Verb, words: readonly string[], width: number): Argv {
  const wanted = positionalsOf(verb).map((one) => ({ ...one, word: one.name.toUpperCase() }));
  const usage = wanted.map(({ word, required }) => ` ${required ? word : `[${word}]`}`).join('');
  const about = wanted.map(({ word, meaning }) => `${word}: ${meaning}`).join('\n');
  const parser = base(words, width)
    .usage(`exithead ${entry.name}${usage} [options]\n\n${entry.summary}${about && `\n\n${about}`}`)
    .options(flagsOf(verb));
  for (const [command, meaning] of verb.examples) parser.example(command, meaning);
  return parser;
}

function flagsOf(verb: Verb): Readonly<Record<string, Options>> {
  const own = Object.entries(verb.options).map(([name, { type, meaning, alias, choices }]) => {
    const isBoolean = type === 'boolean';
    const flag: Options = {
      type: type === 'list' ? 'string' : type,
      describe: meaning,
      requiresArg: !isBoolean,
      ...(alias && { alias }),
      ...(choices && { choices }),
    };
    return [name, flag] as const;
  });
  const short = Object.entries(shortcutsOf(verb)).map(([name, { key, alias }]) => {
    const { meaning, expected, default: value } = knownKey(verb, key);
    const unless = value === undefined ? {} : { defaultDescription: textOf(value) };
    const flag: Options = {
      type: 'string',
      requiresArg: true,
      describe: `${meaning} (${expected})`,
      ...(alias && { alias }),
      ...unless,
    };
    return [name, flag] as const;
  });
  const common = (['config', 'set', 'out', 'resume', 'dry-run'] as const)
    .filter((name) => verb.common.includes(name))
    .map(
      (name) => [name, { ...commonFlags[name], requiresArg: commonFlags[name].type === 'string' }] as const,
    );
  const { json, quiet, help } = commonFlags;
  return { ...Object.fromEntries([...own, ...short, ...common]), json, quiet, help };
}

function shortcutsOf(verb: Verb): Readonly<Record<string, Shortcut>> {
  const common = Object.entries(configKeyFlags).filter(([name]) => verb.common.some((flag) => flag === name));
  return { ...verb.shortcuts, ...Object.fromEntries(common) };
}

function knownKey({ configKind }: Verb, key: string): Key {
  const known = configKind && keyAt(configKind, key);
  if (!known) throw new Error(`a flag sets the config key ${key}, which does not exist`);
  return known;
}

/** yargs would take any value but `true` as if the flag were not there. */
function refuseValues(flags: Readonly<Record<string, Options>>, words: readonly string[]): void {
  for (const word of words) {
    const [, name = '', value = ''] = /^--([^=]+)=(.*)$/s.exec(word) ?? [];
    if (flags[name]?.type === 'boolean')
      throw new UserError(
        `--${name} takes no value, but found ${JSON.stringify(value)}; leave =${value} away`,
      );
  }
}

function refuseUnknown(
  entry: VerbEntry,
  flags: Readonly<Record<string, Options>>,
  given: readonly string[],
): void {
  const names = Object.keys(flags);
  const known = new Set(['_', '$0', ...names, ...Object.values(flags).flatMap(({ alias = [] }) => alias)]);
  const unknown = given.find((name) => !known.has(name));
  if (unknown === undefined) return;
  const flag = unknown.length === 1 ? `-${unknown}` : `--${unknown}`;
  const meant = nearest(unknown, names);
  const all = `\`exithead ${entry.name} --help\` lists its flags`;
  const otherwise =
    flags.set && unknown.includes('.') ? `config keys are changed with --set ${unknown}=value` : all;
  throw new UserError(`exithead ${entry.name} has no flag ${flag}${hint(meant && `--${meant}`, otherwise)}`);
}

function hint(meant: string | undefined, otherwise: string): string {
  return meant ? `; did you mean ${meant}?` : `; ${otherwise}`;
}

function positionalsOf({ positional, operand }: Pick<Verb, 'positional' | 'operand'>): Positional[] {
  return [positional, operand].filter((one) => one !== undefined);
}

function positionals({ name }: VerbEntry, verb: Verb, words: readonly string[]): (string | undefined)[] {
  const wanted = positionalsOf(verb);
  const tooMany = words[wanted.length];
  if (tooMany !== undefined) {
    const takes = wanted.map((one) => `one ${one.name}`).join(' and ') || 'only flags';
    throw new UserError(`exithead ${name} takes ${takes}, but found also ${JSON.stringify(tooMany)}`);
  }
  return wanted.map(({ name: what, choices }, i) => {
    const word = words[i];
    if (word === undefined || !choices || choices.includes(word)) return word;
    throw new UserError(
      `${JSON.stringify(word)} is no ${what} of exithead ${name}` +
        hint(nearest(word, choices), `choose one of ${choices.join(', ')}`),
    );
  });
}

function single(name: string, value: unknown): string | undefined {
  if (Array.isArray(value)) throw new UserError(`--${name} is given ${value.length} times; give it once`);
  return value === undefined ? undefined : textOf(value);
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}

function optionValues(options: Flags, parsed: Readonly<Record<string, unknown>>): Values<Flags> {
  return Object.fromEntries(
    Object.entries(options).map(([name, flag]) => [name, optionValue(name, flag, parsed[name])]),
  );
}

function optionValue(
  name: string,
  { type }: Flag,
  given: unknown,
): string | number | boolean | readonly string[] | undefined {
  if (type === 'boolean') return given === true;
  if (type === 'list') return [given ?? []].flat().map(textOf);
  const text = single(name, given);
  if (type === 'string' || text === undefined) return text;
  const number = Number(text);
  if (text === '' || !Number.isFinite(number)) throw new UserError(`--${name} needs a number`);
  return number;
}
