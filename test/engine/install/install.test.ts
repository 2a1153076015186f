import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { dirname, join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { Interrupted, UserError } from '../../../src/errors.js';
import { installed, planInstall, removeEngine } from '../../../src/engine/install/install.js';
import { listing } from '../../workshop.js';
import { workbench } from './workbench.js';

const bench = workbench();
const pipCalls = (): string[] =>
  bench()
    .calls()
    .filter((call) => call.startsWith('pip '));
const unheard = { signal: new AbortController().signal, say: (): void => undefined };
const refusal = async (work: Promise<unknown>): Promise<string> => {
  const error: unknown = await work.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(UserError);
  return (error as UserError).message;
};

describe('an installation', () => {
  it('fetches, checks, unpacks, builds, and keeps no downloads', async () => {
    const { folder, pins, install } = bench();
    const { said } = await install();
    expect(said).toHaveLength(5);
    expect(await installed(folder)).toEqual({
      format: 'exithead-engine',
      version: 1,
      kind: 'native',
      tensorflow: '1.0',
      source: '@made/kernels',
    });
    const files = listing(folder).filter((name) => !name.startsWith('steps'));
    expect(files).toEqual(
      expect.arrayContaining([
        'tensorflow/libtensorflow_cc.so.2',
        'tensorflow/include/tensorflow/c/c_api.h',
        'nvidia/made/lib/libmade.so.1',
        'made-1.0.dist-info/licenses/License.txt',
        'node_modules/@made/kernels/package.json',
        'node_modules/@tensorflow/tfjs-core/index.js',
        'build/Release/tfjs_binding.node',
      ]),
    );
    expect(files.filter((name) => /downloads|Eigen|python|made\.h|\.tmp$/.test(name))).toEqual([]);
    expect(bench().calls()[0]).toBe('npm pack @made/kernels@1.0.0');
    expect(pipCalls()).toEqual(
      pins.wheels.map(
        ({ project, sha256 }) =>
          `pip ${project}==1.0 --hash=sha256:${sha256} --abi=cp312 --platform=any1 --platform=any2`,
      ),
    );
    const recipe = readFileSync(join(folder, 'binding.gyp'), 'utf8');
    expect(recipe).toContain('node_modules/@made/kernels/binding/tfjs_backend.cc');
    expect(recipe).toContain('libtensorflow_cc.so.2');
  });

  it('does nothing where all is done', async () => {
    await bench().install();
    const before = bench().calls().length;
    const { steps, downloadBytes, neededBytes } = await bench().install();
    expect({ steps, downloadBytes, neededBytes }).toEqual({ steps: [], downloadBytes: 0, neededBytes: 0 });
    expect(bench().calls()).toHaveLength(before);
  });

  it('says what it would do, and does nothing', async () => {
    const { folder, pins } = bench();
    const plan = await planInstall({ kind: 'native', folder, pins });
    const [first, second] = pins.wheels;
    expect(plan.downloadBytes).toBe(2000 + (first?.bytes ?? NaN) + (second?.bytes ?? NaN));
    expect(plan.steps.map(({ title }) => title)).toContain('fetch and unpack made-cuda 1.0 from PyPI');
    expect(existsSync(folder)).toBe(false);
  });

  it('builds anew when a wheel has changed, and fetches that one alone', async () => {
    await bench().install();
    const marker = join(bench().folder, 'steps', 'made-cuda');
    writeFileSync(marker, 'another hash\n');
    const { said } = await bench().install();
    expect(said).toEqual([expect.stringContaining('made-cuda')]);
    expect(pipCalls()).toHaveLength(3);
  });
});

describe('an installation that was stopped', () => {
  it('goes on where it was after Ctrl-C', async () => {
    const controller = new AbortController();
    bench().faults['FAKE_PIP'] = 'hang made-cuda';
    const work = bench().install({ signal: controller.signal });
    const stopped = expect(work).rejects.toThrow(Interrupted);
    await until(() => bench().calls().includes('hanging'));
    controller.abort();
    await stopped;
    await expect(work).rejects.toThrow('`exithead engine install native` goes on where it was');
    expect(await installed(bench().folder)).toBeUndefined();
    await goOn();
  });

  it('goes on where it was after it was killed', async () => {
    bench().faults['FAKE_PIP'] = 'hang made-cuda';
    const { folder, pins } = bench();
    const source = `import { install } from './src/engine/install/install.js';
      await install({ kind: 'native', folder: ${JSON.stringify(folder)}, pins: ${JSON.stringify(pins)},
        machine: { platform: 'linux', arch: 'x64', glibc: '2.36' },
        signal: new AbortController().signal, say: () => {}, onBytes: () => {} });`;
    const words = ['--import', 'tsx', '--input-type=module', '-e', source];
    // In a group of its own, so that the pip that hangs is killed with it.
    const child = spawn(process.execPath, words, { env: process.env, detached: true, stdio: 'inherit' });
    const gone = new Promise((resolve) => child.on('close', resolve));
    await until(() => bench().calls().includes('hanging'));
    process.kill(-(child.pid ?? NaN), 'SIGKILL');
    await gone;
    expect(await installed(folder)).toBeUndefined();
    await goOn();
  });

  it('takes a wheel that was fetched already, and no part of one', async () => {
    const { folder, pins } = bench();
    bench().faults['FAKE_PIP'] = 'fail made-tensorflow';
    await refusal(bench().install());
    const { FAKE_STORE = '' } = process.env;
    const [first, second] = pins.wheels.map(({ file }) => file);
    const whole = readFileSync(join(FAKE_STORE, first ?? ''));
    writeFileSync(join(folder, 'downloads', first ?? ''), whole);
    writeFileSync(join(folder, 'downloads', second ?? ''), 'half of it');
    delete bench().faults['FAKE_PIP'];
    await bench().install();
    expect(pipCalls().filter((call) => call.includes('made-tensorflow'))).toHaveLength(1);
    expect(pipCalls().filter((call) => call.includes('made-cuda'))).toHaveLength(1);
  });

  async function goOn(): Promise<void> {
    delete bench().faults['FAKE_PIP'];
    const before = pipCalls().length;
    await bench().install();
    expect(await installed(bench().folder)).toBeDefined();
    // The first wheel was done; nothing of the second was.
    expect(pipCalls().slice(before)).toEqual([expect.stringContaining('made-cuda')]);
    expect(listing(bench().folder).filter((name) => /downloads|\.tmp$/.test(name))).toEqual([]);
  }
});

describe('an installation that cannot be', () => {
  it('refuses a wheel that is not the pinned one, and removes it', async () => {
    bench().faults['FAKE_PIP'] = 'wrong made-cuda';
    const message = await refusal(bench().install());
    expect(message).toMatch(
      /^made_cuda-1.0\S+ is not the file that was pinned: its SHA-256 is \w{64}, expected /,
    );
    expect(readdirSync(join(bench().folder, 'downloads')).filter((name) => name.endsWith('.whl'))).toEqual(
      [],
    );
    expect(existsSync(join(bench().folder, 'nvidia'))).toBe(false);
  });

  it('refuses an npm package that is not the pinned one', async () => {
    bench().faults['FAKE_NPM'] = 'wrong';
    expect(await refusal(bench().install())).toContain(
      '@made/kernels@1.0.0 is not the package that was pinned',
    );
    expect(existsSync(join(bench().folder, 'node_modules'))).toBe(false);
  });

  it('says what pip said', async () => {
    bench().faults['FAKE_PIP'] = 'fail made-tensorflow';
    expect(await refusal(bench().install())).toMatch(
      /^pip could not fetch made_tensorflow-1.0\S+\. [^]*\n {2}ERROR: the network is down$/,
    );
  });

  it('says what the compiler said, keeps what it has, and builds when called again', async () => {
    bench().faults['FAKE_NPM'] = 'fail';
    expect(await refusal(bench().install())).toContain('tfjs_backend.cc:1: error: no such thing');
    delete bench().faults['FAKE_NPM'];
    const { said } = await bench().install();
    expect(said).toEqual(['build and try the addon']);
  });

  it('says what the loader said of an addon that does not load', async () => {
    const { FAKE_STORE = '' } = process.env;
    writeFileSync(join(FAKE_STORE, 'broken.node'), 'no library');
    bench().faults['FAKE_ADDON'] = join(FAKE_STORE, 'broken.node');
    expect(await refusal(bench().install())).toContain('the addon was built but cannot be loaded');
    expect(await installed(bench().folder)).toBeUndefined();
  });

  it.each([
    [['g++'], 'the C++ compiler g++ was not found; install what builds C++ (apt install build-essential'],
    [['g++', 'make'], 'the C++ compiler g++ and make were not found'],
    [['python3'], 'no Python 3.8 or newer was found; install one with pip (apt install python3 python3-pip'],
    [['npm'], 'npm was not found'],
    [['tar'], 'tar was not found'],
  ])('names %p that is missing before it fetches anything', async (missing, message) => {
    bench().without(...missing);
    expect(await refusal(bench().install())).toContain(message);
    expect(bench().calls()).toEqual([]);
    expect(existsSync(bench().folder)).toBe(false);
  });

  it('names a Python without pip', async () => {
    bench().faults['FAKE_PIP'] = 'none';
    expect(await refusal(bench().install())).toContain(
      'python3 has no pip; install it (apt install python3-pip',
    );
  });

  it('names all that is missing at once', async () => {
    bench().without('python3', 'npm', 'g++');
    const [, ...problems] = (await refusal(bench().install())).split('\n');
    expect(problems).toHaveLength(3);
  });

  it('says how much room it needs, and how much there is', async () => {
    const { pins } = bench();
    const [first, ...others] = pins.wheels.map((pin) => ({ ...pin, unpackedBytes: 1e18 }));
    const wheels = first ? [first, ...others] : [];
    expect(await refusal(bench().install({ pins: { ...pins, wheels } }))).toMatch(
      /has [\d,]+ MB of free space, and 2,000,000,\d{3},\d{3} MB are needed; free some, or set EXITHEAD_CACHE/,
    );
    expect(bench().calls()).toEqual([]);
  });

  it('says that make does not cope with a space in the path', async () => {
    const message = await refusal(bench().install({ folder: join(bench().folder, 'my engines') }));
    expect(message).toContain('has a space in its path');
  });
});

describe('two installations at once', () => {
  it('follow each other, and the second finds all done', async () => {
    const [first, second] = await Promise.all([bench().install(), bench().install()]);
    const [done, waited] = first.steps.length > 0 ? [first, second] : [second, first];
    expect(done.said).not.toContainEqual(expect.stringContaining('waiting'));
    expect(waited.said).toEqual([
      `native is being installed or removed by process ${process.pid}; waiting for it`,
    ]);
    expect(waited.steps).toEqual([]);
    expect(await installed(bench().folder)).toBeDefined();
    expect(pipCalls()).toHaveLength(bench().pins.wheels.length);
    expect(existsSync(`${bench().folder}.lock`)).toBe(false);
  });

  it('do not wait for one that was killed', async () => {
    const { folder } = bench();
    const gone = spawn(process.execPath, ['-e', '']);
    await new Promise((resolve) => gone.on('close', resolve));
    mkdirSync(dirname(folder), { recursive: true });
    writeFileSync(`${folder}.lock`, JSON.stringify({ pid: gone.pid, host: hostname(), id: 'left behind' }));
    const { said } = await bench().install();
    expect(said).not.toContainEqual(expect.stringContaining('waiting'));
    expect(await installed(folder)).toBeDefined();
  });

  it('keep a removal waiting', async () => {
    const { folder } = bench();
    const said: string[] = [];
    const installing = bench().install();
    await until(() => existsSync(join(folder, 'downloads')));
    const removed = removeEngine(folder, { ...unheard, say: (line) => said.push(line) });
    expect((await installing).steps.length).toBeGreaterThan(0);
    expect(await removed).toBe(true);
    expect(said).toEqual([
      expect.stringMatching(/is being installed or removed by process \d+; waiting for it$/),
    ]);
    expect(existsSync(folder)).toBe(false);
  });
});

describe('a removal', () => {
  it('leaves nothing, whole or not', async () => {
    const { folder } = bench();
    expect(await removeEngine(folder, unheard)).toBe(false);
    bench().faults['FAKE_NPM'] = 'fail';
    await refusal(bench().install());
    expect(await removeEngine(folder, unheard)).toBe(true);
    expect(existsSync(folder)).toBe(false);
    delete bench().faults['FAKE_NPM'];
    await bench().install();
    expect(await removeEngine(folder, unheard)).toBe(true);
    expect(await installed(folder)).toBeUndefined();
  });
});

/** Waits for what another process does. */
async function until(isSo: () => boolean): Promise<void> {
  for (let tries = 0; !isSo(); tries++) {
    if (tries > 1000) throw new Error('waited in vain');
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
