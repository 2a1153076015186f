import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { describe, expect, it } from '@jest/globals';
import { interruptible } from '../../src/training/interrupt.js';

describe('interruptible', () => {
  it('aborts at the first signal and then leaves signals alone', () => {
    const count = () => process.listenerCount('SIGINT') + process.listenerCount('SIGTERM');
    const before = count();
    const interruption = interruptible();
    const { signal } = interruption;
    expect(count()).toBe(before + 2);
    expect(signal.aborted).toBe(false);
    process.listeners('SIGTERM').at(-1)?.('SIGTERM');
    expect(signal.aborted).toBe(true);
    expect(count()).toBe(before);
    interruption.release();
    expect(count()).toBe(before);
  });
  it('lets the second Ctrl-C end the process', async () => {
    const program = `
      import { interruptible } from ${JSON.stringify(new URL('../../src/training/interrupt.ts', import.meta.url).href)};
      const { signal } = interruptible();
      signal.addEventListener('abort', () => console.log('aborted'));
      console.log('ready');
      setInterval(() => {}, 1000);`;
    const child = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', program]);
    const said = async () => String((await once(child.stdout, 'data'))[0]).trim();
    expect(await said()).toBe('ready');
    child.kill('SIGINT');
    expect(await said()).toBe('aborted');
    child.kill('SIGINT');
    expect((await once(child, 'exit'))[1]).toBe('SIGINT');
  });
});
