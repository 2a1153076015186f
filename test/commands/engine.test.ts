import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from '@jest/globals';
import { engineKinds } from '../../src/engine/engine.js';
import { scratch } from '../scratch.js';
import { exithead, refusalOf, told } from '../workshop.js';

const { path } = scratch();
beforeAll(() => {
  process.env.EXITHEAD_CACHE = path('cache');
});

describe('exithead engine list', () => {
  it('has every engine, why it does not run here, and what auto takes', async () => {
    const { engines, auto } = (await told('engine', 'list')) as {
      engines: { kind: string; usable: boolean; why?: string; isAuto: boolean }[];
      auto: { kind: string; reason: string };
    };
    expect(engines.map(({ kind }) => kind)).toEqual(engineKinds.slice(1));
    for (const { usable, why } of engines) expect(why === undefined).toBe(usable);
    expect(engines.filter(({ isAuto }) => isAuto).map(({ kind }) => kind)).toEqual([auto.kind]);
    const { code, out } = await exithead(['engine', 'list']);
    expect(code).toBe(0);
    expect(out).toMatch(/^native: it is not installed; install it: exithead engine install native$/m);
    expect(out).toMatch(/^cuda: /m);
    expect(out).toContain(`auto takes ${auto.kind}: ${auto.reason}`);
  });
});

describe('exithead engine install --dry-run', () => {
  it('says what would be downloaded, how much and where to, and does nothing', async () => {
    const facts = await told('engine', 'install', 'native', '--dry-run');
    expect(facts).toMatchObject({ kind: 'native', folder: join(path('cache'), 'engines', 'native') });
    expect(facts['downloadBytes']).toBeGreaterThan(2e8);
    const { out } = await exithead(['engine', 'install', 'native', '--dry-run']);
    expect(out).toMatch(/^would fetch and unpack tensorflow\S* 2\.\d+\.\d+ from PyPI \(\d+ MB\)$/m);
    expect(out).toMatch(/^would build and try the addon$/m);
    expect(existsSync(path('cache'))).toBe(false);
  });
});

describe('exithead engine check', () => {
  it('refuses an engine that is not installed, and says what installs it', async () => {
    expect(await refusalOf('engine', 'check', 'native')).toBe(
      'engine native does not run here: it is not installed; install it: exithead engine install native',
    );
  });
});

describe('exithead engine remove', () => {
  it('has nothing to do where nothing is', async () => {
    expect(await told('engine', 'remove', 'cuda')).toMatchObject({ kind: 'cuda', wasThere: false });
  });
});

describe('exithead engine', () => {
  it.each([
    [[], 'exithead engine needs a task: list, install KIND, check [KIND] or remove KIND'],
    [['instal'], '"instal" is no task of exithead engine; did you mean install?'],
    [['install'], 'exithead engine install needs one of native, cuda; none was given'],
    [['install', 'onnx'], 'needs one of native, cuda; onnx comes with exithead or its own package'],
    [['check', 'tpu'], '"tpu" is no kind of exithead engine; choose one of auto, onnx'],
    [['list', 'onnx'], 'exithead engine list takes no kind, but found onnx'],
    [['remove', 'cuda', '--dry-run'], '--dry-run goes with install alone, not with remove'],
    [['check', 'wasm', '--threads', '-1'], '--threads: found -1, expected a whole number from 0'],
    [['list', '--threads', '2'], '--threads goes with check alone, not with list'],
    [['list', '--provider', 'cuda'], '--provider goes with check alone, not with list'],
    [
      ['check', 'wasm', '--provider', 'cuda'],
      'found cuda, but engine.kind is wasm, and only onnx has providers',
    ],
    [['install', 'cuda', 'native'], 'takes one task and one kind, but found also "native"'],
  ])('%p ends with 2 and what to do', async (words, message) => {
    expect(await refusalOf('engine', ...words)).toContain(message);
  });
});
