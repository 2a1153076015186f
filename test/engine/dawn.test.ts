import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { findAdapter, installWebgpu } from '../../src/engine/dawn.js';

const failing = (message: string, code?: string) => () =>
  Promise.reject(Object.assign(new Error(message), code === undefined ? {} : { code }));
const info = {
  vendor: 'acme',
  architecture: '',
  device: '',
  description: 'Acme One',
  isFallbackAdapter: false,
};
/** The package, with an adapter or without one. */
const dawn = (adapter: object | null) => () =>
  Promise.resolve({
    create: () => ({ requestAdapter: () => Promise.resolve(adapter) }),
    globals: { parseInt: 'taken', GPUMadeUp: 'new' },
  });

describe('looking for a WebGPU adapter', () => {
  it('says which packages to install where there are none', async () => {
    expect(await findAdapter(failing("Cannot find package 'webgpu'", 'ERR_MODULE_NOT_FOUND'))).toEqual({
      why: "the optional package 'webgpu' is not installed",
      remedy: installWebgpu,
    });
  });

  it('names the versions that are tested', () => {
    expect(installWebgpu).toBe('npm install webgpu@0.6.2 @tensorflow/tfjs-backend-webgpu@4.22.0');
    expect(readFileSync('.ci/run', 'utf8')).toContain(installWebgpu.replace('npm install ', ''));
  });

  it('says why the package does not work, and that no driver shows an adapter', async () => {
    expect(await findAdapter(failing('GLIBC_2.99 not found'))).toMatchObject({
      why: "the package 'webgpu' does not work here: GLIBC_2.99 not found",
    });
    expect(await findAdapter(dawn(null))).toMatchObject({ why: 'Dawn finds no adapter' });
  });

  it('tells a GPU from software by what the adapter says', async () => {
    expect(await findAdapter(dawn({ info }))).toMatchObject({ name: 'Acme One', isSoftware: false });
    const software = { ...info, description: '', isFallbackAdapter: true };
    expect(await findAdapter(dawn({ info: software }))).toMatchObject({
      name: 'acme, a software adapter',
      isSoftware: true,
    });
  });

  it("defines the standard's names that are missing, and changes none that is there", async () => {
    await findAdapter(dawn({ info }));
    const scope = globalThis as unknown as Record<string, unknown>;
    expect(scope['GPUMadeUp']).toBe('new');
    expect(Object.keys(globalThis)).not.toContain('GPUMadeUp');
    expect(parseInt('7')).toBe(7);
    Reflect.deleteProperty(globalThis, 'GPUMadeUp');
  });
});
