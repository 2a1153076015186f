// A machine to install on: made-up Python, npm, compiler and wheels, and no network.
import { createHash } from 'node:crypto';
import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterEach, beforeEach } from '@jest/globals';
import { install, type InstallOptions, type InstallPlan } from '../../../src/engine/install/install.js';
import type { PackagePin, Pins, WheelPin } from '../../../src/engine/install/pins.js';
import { zip } from '../../checkpoints/torch-bytes.js';

export interface Workbench {
  /** Where the engine goes. */
  readonly folder: string;
  readonly pins: Pins;
  /** Programs that were called, and what they were asked. */
  calls(): string[];
  /** Takes a program away. */
  without(...programs: string[]): void;
  /** What programs do wrong from now on, such as FAKE_PIP. */
  readonly faults: Record<string, string>;
  readonly install: (options?: Partial<InstallOptions>) => Promise<InstallPlan & { readonly said: string[] }>;
}

/** The names that wheels of TensorFlow and CUDA have inside. */
const inside: Readonly<Record<string, readonly string[]>> = {
  'made-tensorflow': [
    'tensorflow/libtensorflow_cc.so.2',
    'tensorflow/include/tensorflow/c/c_api.h',
    'tensorflow/include/Eigen/Core',
    'tensorflow/python/all.py',
  ],
  'made-cuda': [
    'nvidia/made/lib/libmade.so.1',
    'nvidia/made/include/made.h',
    'made-1.0.dist-info/licenses/License.txt',
  ],
};

/** Any addon that loads will do. */
function someAddon(): string {
  const place = resolve('node_modules', '@swc');
  for (const name of readdirSync(place).filter((folder) => folder.startsWith('core-'))) {
    const file = readdirSync(join(place, name)).find((one) => one.endsWith('.node'));
    if (file) return join(place, name, file);
  }
  throw new Error('no addon was found under node_modules');
}

/** Before each test a fresh one, gone after it. */
export function workbench(): () => Workbench {
  let root = '';
  let bench: Workbench | undefined;
  const path = process.env.PATH;
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'exithead-'));
    bench = make(root);
  });
  afterEach(() => {
    process.env.PATH = path;
    for (const name of Object.keys(process.env)) if (name.startsWith('FAKE_')) delete process.env[name];
    rmSync(root, { recursive: true, force: true });
  });
  return () => {
    if (!bench) throw new Error('a workbench is there within tests alone');
    return bench;
  };
}

function make(root: string): Workbench {
  const at = (...names: string[]): string => join(root, ...names);
  for (const name of ['bin', 'store', 'package']) mkdirSync(at(name));
  const wheels = Object.entries(inside).map(([project, members]): WheelPin => {
    const bytes = zip(members.map((name) => ({ name, data: Buffer.from(`${name} of ${project}`) })));
    const file = `${project.replace('-', '_')}-1.0-cp312-cp312-any1.any2.whl`;
    writeFileSync(at('store', file), bytes);
    const sha256 = createHash('sha256').update(bytes).digest('hex');
    return { project, version: '1.0', file, sha256, bytes: bytes.length, unpackedBytes: bytes.length };
  });
  const pins: Pins = {
    tensorflow: '1.0',
    wheels,
    packages: [packed('@made/kernels', at), packed('made-other', at)],
  };
  program(at('bin', 'python3'), python);
  program(at('bin', 'npm'), npm);
  // The real one, under the made-up path.
  const tar = execFileSync('sh', ['-c', 'command -v tar'], { encoding: 'utf8' }).trim();
  const gzip = execFileSync('sh', ['-c', 'command -v gzip'], { encoding: 'utf8' }).trim();
  const scripts = { 'g++': '', make: '', tar: `PATH=${join(gzip, '..')} exec ${tar} "$@"` };
  for (const [name, script] of Object.entries(scripts)) {
    writeFileSync(at('bin', name), `#!/bin/sh\n${script}\n`);
    chmodSync(at('bin', name), 0o755);
  }
  process.env.PATH = at('bin');
  process.env.FAKE_STORE = at('store');
  process.env.FAKE_LOG = at('log');
  process.env.FAKE_ADDON = someAddon();
  delete process.env.CXX;
  const folder = at('cache', 'engines', 'native');
  return {
    folder,
    pins,
    faults: process.env as Record<string, string>,
    calls: () => {
      try {
        return readFileSync(at('log'), 'utf8').trim().split('\n');
      } catch {
        return [];
      }
    },
    without: (...programs) => programs.forEach((name) => rmSync(at('bin', name))),
    install: async (options = {}) => {
      const said: string[] = [];
      const plan = await install({
        kind: 'native',
        folder,
        pins,
        machine: { platform: 'linux', arch: 'x64', glibc: '2.36' },
        signal: new AbortController().signal,
        say: (line) => said.push(line),
        onBytes: () => undefined,
        ...options,
      });
      return { ...plan, said };
    },
  };
}

/** A package as `npm pack` writes it, in the store. */
function packed(name: string, at: (...names: string[]) => string): PackagePin {
  writeFileSync(at('package', 'package.json'), JSON.stringify({ name, version: '1.0.0' }));
  const archive = at('store', `${name.replace('@', '').replace('/', '-')}-1.0.0.tgz`);
  execFileSync('tar', ['-czf', archive, '-C', at(), 'package']);
  const integrity = `sha512-${createHash('sha512').update(readFileSync(archive)).digest('base64')}`;
  return { name, version: '1.0.0', integrity, bytes: 1000 };
}

function program(path: string, source: string): void {
  writeFileSync(path, `#!${process.execPath}\n${prologue}\n${source}\n`);
  chmodSync(path, 0o755);
}

const prologue = `
const fs = require('node:fs');
const path = require('node:path');
const words = process.argv.slice(2);
const name = path.basename(process.argv[1]);
const { FAKE_STORE, FAKE_LOG, FAKE_PIP, FAKE_NPM, FAKE_ADDON } = process.env;
const after = (flag) => words[words.indexOf(flag) + 1];
const log = (what) => fs.appendFileSync(FAKE_LOG, what + '\\n');
const fail = (text) => { process.stderr.write(text + '\\n'); process.exit(1); };
`;

const python = `
if (words[0] === '-c') process.stdout.write('True\\n');
else if (words[2] === '--version') { if (FAKE_PIP === 'none') fail('No module named pip'); }
else {
  const wanted = fs.readFileSync(after('--requirement'), 'utf8').trim();
  const project = wanted.split('==')[0];
  log('pip ' + wanted + ' ' + words.filter((w) => /^--(platform|abi)=/.test(w)).join(' '));
  const file = fs.readdirSync(FAKE_STORE).find((one) => one.startsWith(project.replace('-', '_')));
  const target = path.join(after('--dest'), file);
  const bytes = fs.readFileSync(path.join(FAKE_STORE, file));
  const [what, whom] = (FAKE_PIP ?? '').split(' ');
  if (whom !== project) fs.writeFileSync(target, bytes);
  else if (what === 'fail') fail('ERROR: the network is down');
  else if (what === 'wrong') fs.writeFileSync(target, Buffer.concat([bytes, Buffer.from('!')]));
  else if (what === 'hang') { log('hanging'); fs.writeFileSync(path.join(process.env.TMPDIR, 'part'), 'half'); setInterval(() => 0, 1000); }
}
`;

const npm = `
if (words[0] === 'pack') {
  log('npm pack ' + words[1]);
  const file = words[1].replace(/^@/, '').replace('/', '-').replace('@', '-') + '.tgz';
  const bytes = fs.readFileSync(path.join(FAKE_STORE, file));
  fs.writeFileSync(path.join(after('--pack-destination'), file), FAKE_NPM === 'wrong' ? Buffer.from('?') : bytes);
} else if (words[0] === 'run') {
  log('npm run ' + words.slice(1).join(' ').replace(process.cwd(), '.'));
  if (FAKE_NPM === 'fail') fail('tfjs_backend.cc:1: error: no such thing');
  fs.mkdirSync('build/Release', { recursive: true });
  fs.symlinkSync(FAKE_ADDON, 'build/Release/tfjs_binding.node');
}
`;
