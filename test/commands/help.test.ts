import { describe, expect, it } from '@jest/globals';
import { parseCall } from '../../src/commands/parse.js';
import type { Verb, VerbEntry } from '../../src/commands/verb.js';
import { verbs } from '../../src/commands/verbs.js';
import { exithead } from '../workshop.js';

const loaded: { name: string; entry: VerbEntry; verb: Verb }[] = [];
// One after the other: jest does not load modules at the same time.
for (const entry of verbs) loaded.push({ name: entry.name, entry, verb: await entry.load() });
const examples = loaded.flatMap(({ entry, verb }) =>
  verb.examples.map(([command, meaning]) => ({ command, meaning, entry, verb })),
);
/** Long names of all flags that a verb takes. */
const flagsOf = ({ common, options, shortcuts = {} }: Verb): string[] =>
  [...common, ...Object.keys(options), ...Object.keys(shortcuts), 'json', 'quiet', 'help'].map(
    (name) => `--${name}`,
  );
const never = new AbortController().signal;

describe('the help of a verb', () => {
  it.each(loaded)(
    '$name shows what it is for, its positional, all its flags and its examples',
    async (one) => {
      const { name, entry, verb } = one;
      const { code, out, err } = await exithead([name, '--help']);
      expect({ code, err }).toEqual({ code: 0, err: '' });
      const flat = out.replace(/\s+/g, ' ');
      expect(flat).toContain(entry.summary);
      const words = [verb.positional, verb.operand].flatMap((word) => word ?? []);
      const usage = words.map((word) =>
        word.required ? word.name.toUpperCase() : `[${word.name.toUpperCase()}]`,
      );
      expect(flat).toContain(['exithead', name, ...usage, '[options]'].join(' '));
      for (const { meaning } of words) expect(flat).toContain(meaning);
      for (const flag of flagsOf(verb)) expect(out).toMatch(new RegExp(`(?<![\\w-])${flag}(?![\\w-])`));
      for (const [command, meaning] of verb.examples)
        for (const word of [...command.split(' '), ...meaning.split(' ')]) expect(flat).toContain(word);
    },
  );

  it.each(loaded)('$name is the same whether it is asked for first or last', async ({ name }) => {
    const { out } = await exithead(['help', name]);
    expect(out.length).toBeGreaterThan(200);
    expect((await exithead([name, '-h'])).out).toBe(out);
    expect((await exithead([name, 'x', 'y', '--wrong', '--help'])).out).toBe(out);
  });
});

describe('the examples in the help', () => {
  it.each(examples)('are calls that are understood: $command', async ({ command, entry, verb }) => {
    const [program, name, ...words] = command.split(' ');
    expect([program, name]).toEqual(['exithead', entry.name]);
    const call = await parseCall(entry, verb, words, never);
    expect(call.target ?? call.config).toBe(words[0]);
    expect(call.resume).toBe(words.includes('--resume'));
    expect(call.dryRun).toBe(words.includes('--dry-run'));
  });

  it('say each thing once', () => {
    expect(new Set(examples.map(({ command }) => command)).size).toBe(examples.length);
    expect(new Set(examples.map(({ meaning, entry }) => `${entry.name} ${meaning}`)).size).toBe(
      examples.length,
    );
  });
});
