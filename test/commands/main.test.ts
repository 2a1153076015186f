import { describe, expect, it } from '@jest/globals';
import { exithead, verbs } from './world.js';
import { verbs as table } from '../../src/commands/verbs.js';

const heads = 'configs/mnist/heads.yaml';

describe('exit codes', () => {
  it('are 0 when done', async () => {
    expect((await exithead(`train ${heads}`)).code).toBe(0);
  });

  it('are 2 with the message alone when the user can mend it', async () => {
    expect(await exithead('user --quiet')).toEqual({ code: 2, out: '', err: 'error: mend this\n' });
  });

  it('are 2 when the machine fails in a way its user can mend', async () => {
    const { code, err } = await exithead('disk --quiet');
    expect({ code, err }).toEqual({
      code: 2,
      err: expect.stringMatching(/^error: .*no space left on device\n$/),
    });
  });

  it('are 1 with a stack and how to report it when it is our bug', async () => {
    const { code, err } = await exithead('bug --quiet');
    expect(code).toBe(1);
    expect(err).toMatch(/^error: TypeError: we are wrong\n\s+at /);
    expect(err).toContain('Please report it');
    expect(err).toContain(`  exithead bug --quiet\n  exithead 1.2.3, Node.js ${process.version}`);
  });

  it('are 130 when the user interrupted', async () => {
    expect(await exithead('stop --quiet')).toEqual({ code: 130, out: '', err: 'warning: saved at step 5\n' });
  });
});

describe('mistyped commands', () => {
  it.each([
    ['trian', 'there is no verb "trian"; did you mean train?'],
    ['xyzzy', 'there is no verb "xyzzy"; verbs: train, user, bug, stop, disk'],
    [`--json train ${heads}`, '--json stands where a verb is expected'],
    [`train ${heads} --sead 3`, 'exithead train has no flag --sead; did you mean --seed?'],
    [
      `train ${heads} --train.steps=3`,
      'exithead train has no flag --train.steps; config keys are changed with --set train.steps=value',
    ],
    [`train ${heads} -z`, 'exithead train has no flag -z; `exithead train --help` lists its flags'],
    [`train ${heads} --no-resume`, 'exithead train has no flag --no-resume'],
    [`train ${heads} --seed 1 --seed 2`, '--seed is given 2 times; give it once'],
    [`train ${heads} --out`, '--out needs a value'],
    [`train ${heads} --dry-run=1`, '--dry-run takes no value, but found "1"; leave =1 away'],
    [`train ${heads} --json=true`, '--json takes no value, but found "true"; leave =true away'],
    [`train ${heads} --limit many`, '--limit needs a number'],
    [`train ${heads} --note medium`, 'Choices: "short", "long"'],
    [`train ${heads} other.yaml`, 'exithead train takes one config, but found also "other.yaml"'],
    [`train ${heads} -c ${heads}`, 'a config is given twice'],
    [
      'train',
      'exithead train needs a config: what to train. For example: exithead train configs/mnist/heads.yaml',
    ],
    ['user 5', 'exithead user takes only flags, but found also "5"'],
    [`train ${heads} --set train.steps`, '--set train.steps: expected key.path=value'],
    [`train ${heads} --seed -4`, '--seed -4  seed: found -4, expected a whole number from 0 to 2147483647'],
    [
      `train ${heads} --engine tpu`,
      '--engine tpu  engine.kind: found "tpu", expected one of auto, onnx, cuda, native, webgpu, wasm',
    ],
  ])('%s ends with 2 and what to do', async (line, message) => {
    const { code, out, err } = await exithead(line);
    expect(err).toContain(message);
    expect(err).not.toMatch(/\n\s+at /);
    expect({ code, out }).toEqual({ code: 2, out: '' });
  });
});

describe('a call', () => {
  it('carries flags, settings and shortcuts, the more special one winning', async () => {
    const { code, out } = await exithead(
      `train -c ${heads} --set train.batch=3 --set seed=4 -b 7 --seed 9 --engine wasm --out x --dry-run -l 2.5 --note long --json`,
    );
    expect(code).toBe(0);
    expect(JSON.parse(out)).toMatchObject({
      batch: 7,
      seed: 9,
      engine: 'wasm',
      out: 'x',
      resume: false,
      dryRun: true,
      limit: 2.5,
      note: 'long',
      force: false,
    });
  });

  it('carries a list in the order in which it was given, and an empty one where it was not', async () => {
    const lists = async (words: string): Promise<unknown> =>
      (JSON.parse((await exithead(`train ${heads} --json ${words}`)).out) as Record<string, unknown>)['also'];
    expect(await lists('--also b --also a')).toEqual(['b', 'a']);
    expect(await lists('--also 1')).toEqual(['1']);
    expect(await lists('')).toEqual([]);
  });

  it('keeps stdout to one JSON document with --json', async () => {
    const { out, err } = await exithead(`train ${heads} --json`);
    expect(JSON.parse(out)).toMatchObject({ batch: 64 });
    expect(err).toContain('training mnist-heads');
    expect(await exithead('user --json')).toMatchObject({ out: '' });
    expect(await exithead(`train ${heads} --json --quiet`)).toMatchObject({
      out,
      err: 'warning: nothing is trained\n',
    });
  });

  it('prints warnings alone with --quiet', async () => {
    expect(await exithead(`train ${heads} --quiet`)).toEqual({
      code: 0,
      out: '',
      err: 'warning: nothing is trained\n',
    });
  });
});

describe('help', () => {
  it.each(['', '--help', '-h', 'help'])('of `exithead %s` lists the verbs and loads none', async (line) => {
    const { code, out, err } = await exithead(line);
    expect({ code, err }).toEqual({ code: 0, err: '' });
    expect(out).toMatch(/^exithead VERB \[options\]\n/);
    for (const { name, summary } of verbs) expect(out).toMatch(new RegExp(`exithead ${name} +${summary}`));
    expect(out).not.toContain('boolean-negation');
  });

  it.each(['train --help', 'train x -h', 'help train'])(
    'of `exithead %s` has flags, meanings, defaults and examples',
    async (line) => {
      const { code, out } = await exithead(line);
      expect(code).toBe(0);
      expect(out).toMatch(
        /^exithead train CONFIG \[options\]\n\nTrains exit heads\.\n\nCONFIG: what to train\n/,
      );
      const flat = out.replace(/\s+/g, ' ');
      expect(flat).toContain('-b, --batch images per step (a whole number from 1 to 65536)');
      expect(flat).toContain('[default: 64]');
      expect(flat).toContain('Examples: exithead train configs/mnist/heads.yaml train the heads of a config');
      for (const line of out.split('\n')) expect(line.length).toBeLessThanOrEqual(80);
    },
  );

  it('stands beside --version', async () => {
    expect(await exithead('--version')).toEqual({ code: 0, out: '1.2.3\n', err: '' });
  });
});

describe('the table of verbs', () => {
  it('names each once, and each loads with examples of itself', async () => {
    expect(new Set(table.map(({ name }) => name)).size).toBe(table.length);
    for (const { name, load } of table)
      for (const [command] of (await load()).examples)
        expect(command).toMatch(new RegExp(`^exithead ${name}( |$)`));
  });
});
