import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { engineFolder, installKinds } from '../../../src/engine/install/folder.js';
import { pinsFor, thisMachine } from '../../../src/engine/install/machine.js';
import { cudaPins, nativePins, tfjsVersion } from '../../../src/engine/install/pins.js';
import { isKept } from '../../../src/engine/install/unpack.js';

const all = [...Object.entries(nativePins), ...Object.entries(cudaPins)];

describe('the pinned files', () => {
  it.each(all)('for %s are named as their project and version, with a hash and a size', (_platform, pins) => {
    for (const { project, version, file, sha256, bytes, unpackedBytes } of pins.wheels) {
      expect(file).toMatch(
        new RegExp(`^${project.replaceAll('-', '_')}-${version}-[^-]+-[^-]+-[^-]+\\.whl$`),
      );
      expect(sha256).toMatch(/^[0-9a-f]{64}$/);
      expect(bytes).toBeGreaterThan(1e6);
      expect(unpackedBytes).toBeGreaterThan(5e5);
    }
    for (const { integrity } of pins.packages)
      expect(Buffer.from(integrity.replace('sha512-', ''), 'base64')).toHaveLength(64);
    expect(pins.wheels.some(({ version }) => version === pins.tensorflow)).toBe(true);
  });

  it('are each pinned once', () => {
    const hashes = all.flatMap(([, { wheels }]) => wheels.map(({ sha256 }) => sha256));
    expect(new Set(hashes).size).toBe(hashes.length);
  });

  it('are of the TensorFlow.js that exithead computes with', () => {
    const { packages } = JSON.parse(readFileSync('package-lock.json', 'utf8')) as {
      packages: Record<string, { version: string }>;
    };
    for (const name of ['tfjs', 'tfjs-core'])
      expect(packages[`node_modules/@tensorflow/${name}`]?.version).toBe(tfjsVersion);
    for (const [, { packages: own }] of all) expect(own[0].version).toBe(tfjsVersion);
  });

  it('are unpacked without headers of CUDA, Python code and static libraries', () => {
    const names = [
      'tensorflow/libtensorflow_cc.so.2',
      'tensorflow/libtensorflow_framework.2.dylib',
      'tensorflow/include/tensorflow/c/eager/c_api.h',
      'tensorflow/include/tsl/platform/ctstring_internal.h',
      'nvidia/cudnn/lib/libcudnn.so.9',
      'nvidia/cuda_nvcc/bin/ptxas',
      'nvidia/cuda_nvcc/nvvm/libdevice/libdevice.10.bc',
    ];
    const others = [
      'tensorflow/include/Eigen/Core',
      'tensorflow/python/_pywrap.so',
      'nvidia/cudnn/include/cudnn.h',
      'nvidia/cuda_nvrtc/lib/libnvrtc.alt.so.12',
      'nvidia/cudnn/lib/',
    ];
    expect(names.filter(isKept)).toEqual(names);
    expect(others.filter(isKept)).toEqual([]);
  });
});

describe('a machine', () => {
  const linux = { platform: 'linux', arch: 'x64', glibc: '2.36' };
  it.each([
    ['native', linux],
    ['native', { ...linux, arch: 'arm64', glibc: '2.27' }],
    ['native', { platform: 'darwin', arch: 'arm64' }],
    ['cuda', linux],
  ] as const)('gets %s: %p', (kind, machine) => {
    expect(pinsFor(kind, machine).tensorflow).toMatch(/^2\.\d+\.\d+$/);
  });

  it.each([
    [
      'native',
      { platform: 'win32', arch: 'x64' },
      'npm install @tensorflow/tfjs-node@4.22.0, and engine native',
    ],
    [
      'native',
      { platform: 'darwin', arch: 'x64' },
      'cannot be installed on darwin x64: there is no TensorFlow wheel',
    ],
    ['cuda', { platform: 'darwin', arch: 'arm64' }, '(there is one for linux x64). Use engine onnx'],
    ['cuda', { ...linux, arch: 'arm64' }, 'cannot be installed on linux arm64'],
    ['native', { ...linux, glibc: undefined }, 'the GNU C library 2.27 or newer, found another C library'],
    ['native', { ...linux, glibc: '2.5' }, 'found 2.5'],
  ] as const)('is told plainly where %s cannot be: %p', (kind, machine, message) => {
    expect(() => pinsFor(kind, machine)).toThrow(message);
  });

  it('is this one', () => {
    const { platform, glibc } = thisMachine();
    expect(platform).toBe(process.platform);
    if (platform === 'linux') expect(glibc ?? '2.36').toMatch(/^\d+\.\d+/);
  });
});

describe('the folder of an engine', () => {
  it('is one for each', () => {
    expect(new Set(installKinds.map((kind) => engineFolder(kind))).size).toBe(installKinds.length);
  });
});
