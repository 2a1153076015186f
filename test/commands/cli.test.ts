import { spawn, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { once } from 'node:events';
import { dirname, resolve } from 'node:path';
import { describe, expect, it } from '@jest/globals';

const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string };

function cli(...words: string[]): { code: number | null; out: string; err: string } {
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    ['--import', 'tsx', 'src/cli.ts', ...words],
    { encoding: 'utf8' },
  );
  return { code: status, out: stdout, err: stderr };
}

/** All files that a file loads at once: its imports, but for types and those that wait for a call. */
function loadedBy(file: string, seen = new Set<string>()): Set<string> {
  if (seen.has(file)) return seen;
  seen.add(file);
  const imports = readFileSync(file, 'utf8').matchAll(/^(?:import|export) (?!type\b)[^;]*?from '([^']+)';/gm);
  for (const [, from = ''] of imports) {
    if (from.startsWith('.')) loadedBy(resolve(dirname(file), from.replace(/\.js$/, '.ts')), seen);
    else seen.add(from);
  }
  return seen;
}

describe('the command exithead', () => {
  it('starts, and has the help of every verb, without TensorFlow.js, onnxruntime and sharp', () => {
    const loaded = [...loadedBy(resolve('src/cli.ts'))];
    expect(loaded).toContain(resolve('src/commands/declarations.ts'));
    expect(loaded).toContain('yargs');
    expect(loaded.filter((name) => /@tensorflow|onnxruntime|sharp/.test(name))).toEqual([]);
  });

  it('asks the work to stop at the first Ctrl-C, and stops at the second', async () => {
    const source = `import { interruptSignal } from './src/commands/interrupt.js';
      const signal = interruptSignal();
      signal.addEventListener('abort', () => console.log('saving'));
      setInterval(() => undefined, 1000);
      console.log('ready');`;
    const child = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', source]);
    const said = async (): Promise<string> => String((await once(child.stdout, 'data'))[0]);
    expect(await said()).toBe('ready\n');
    child.kill('SIGINT');
    expect(await said()).toBe('saving\n');
    child.kill('SIGINT');
    expect((await once(child, 'exit'))[0]).toBe(130);
  });

  it('shows its version and its help', () => {
    expect(cli('--version')).toEqual({ code: 0, out: `${version}\n`, err: '' });
    expect(cli('--help')).toMatchObject({
      code: 0,
      out: expect.stringContaining('exithead VERB [options]'),
      err: '',
    });
  });

  it('ends with 2 on an unknown verb', () => {
    expect(cli('no-such-verb')).toMatchObject({
      code: 2,
      out: '',
      err: expect.stringContaining('there is no verb "no-such-verb"'),
    });
  });
});
