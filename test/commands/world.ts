// A terminal to look at, and verbs that do nothing but show what they were asked.
import { PassThrough } from 'node:stream';
import { main, type ExitCode } from '../../src/commands/main.js';
import type { Output } from '../../src/commands/terminal.js';
import { verb, type VerbEntry } from '../../src/commands/verb.js';
import { loadConfig } from '../../src/config/load.js';
import { Interrupted, UserError } from '../../src/errors.js';

/** A stream that keeps what is written. */
export function screen(isTTY = false): { readonly stream: Output & { columns: number }; text(): string } {
  const stream = Object.assign(new PassThrough(), { isTTY, columns: 80 });
  const chunks: string[] = [];
  stream.on('data', (chunk: Buffer) => chunks.push(chunk.toString()));
  return { stream, text: () => chunks.join('') };
}

const train = verb({
  examples: [['exithead train configs/mnist/heads.yaml', 'train the heads of a config']],
  positional: { name: 'config', meaning: 'what to train', required: true },
  common: ['config', 'set', 'out', 'engine', 'seed', 'resume', 'dry-run'],
  configKind: 'train',
  shortcuts: { batch: { key: 'train.batch', alias: 'b' } },
  options: {
    note: { type: 'string', meaning: 'kept with the run', choices: ['short', 'long'] },
    limit: { type: 'number', meaning: 'stop early', alias: 'l' },
    force: { type: 'boolean', meaning: 'go on' },
    also: { type: 'list', meaning: 'others, too' },
  },
  async run({ config: path, set, out, resume, dryRun, options }, terminal) {
    const { config, sources } = await loadConfig(path, { kind: 'train', set });
    terminal.line(`training ${config.name}`);
    terminal.table([
      ['exit', 'loss'],
      [1, 0.5],
      [12, 0.25],
    ]);
    terminal.warn('nothing is trained');
    const progress = terminal.progress('train');
    progress.update(1, 2, { loss: 0.5 });
    progress.end();
    const { batch } = config.train;
    return {
      sources,
      batch,
      seed: config.seed,
      engine: config.engine.kind,
      out: out ?? null,
      resume,
      dryRun,
      ...options,
    };
  },
});

const fails = (error: Error): VerbEntry['load'] => {
  const failing = verb({
    examples: [['exithead fail', 'fail']],
    common: [],
    options: {},
    run(_call, terminal) {
      terminal.progress('fail').update(1, 3, {});
      return Promise.reject(error);
    },
  });
  return () => Promise.resolve(failing);
};

export const verbs: readonly VerbEntry[] = [
  { name: 'train', summary: 'Trains exit heads.', load: () => Promise.resolve(train) },
  { name: 'user', summary: 'Fails by the user.', load: fails(new UserError('mend this')) },
  { name: 'bug', summary: 'Fails by us.', load: fails(new TypeError('we are wrong')) },
  { name: 'stop', summary: 'Is interrupted.', load: fails(new Interrupted('saved at step 5')) },
  {
    name: 'disk',
    summary: 'Has no space.',
    load: fails(Object.assign(new Error('no space left on device'), { code: 'ENOSPC' })),
  },
];

export interface Outcome {
  readonly code: ExitCode;
  readonly out: string;
  readonly err: string;
}

/** Runs a command line; words are parted by spaces. */
export async function exithead(line: string, isTTY = false): Promise<Outcome> {
  const [out, err] = [screen(isTTY), screen(isTTY)];
  const world = {
    stdout: out.stream,
    stderr: err.stream,
    env: {},
    signal: new AbortController().signal,
    version: '1.2.3',
  };
  const code = await main(line.split(' ').filter(Boolean), verbs, world);
  await new Promise(setImmediate);
  return { code, out: out.text(), err: err.text() };
}
