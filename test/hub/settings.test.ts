import { homedir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { UserError } from '../../src/errors.js';
import { hubSettings } from '../../src/hub/settings.js';
import { scratch } from '../scratch.js';

const { path, put } = scratch();

describe('settings of the hub', () => {
  it('are those of the Python client where nothing is set', async () => {
    const { endpoint, cache, offline, patienceMs } = await hubSettings({});
    expect({ endpoint, cache, offline, patienceMs }).toEqual({
      endpoint: 'https://huggingface.co',
      cache: join(homedir(), '.cache', 'huggingface', 'hub'),
      offline: false,
      patienceMs: 30_000,
    });
  });

  it('find the cache where the variables say', async () => {
    const cacheOf = async (env: Record<string, string>): Promise<string> =>
      (await hubSettings({ HF_TOKEN: 'x', ...env })).cache;
    expect(await cacheOf({ XDG_CACHE_HOME: '/x' })).toBe('/x/huggingface/hub');
    expect(await cacheOf({ XDG_CACHE_HOME: '/x', HF_HOME: '/h' })).toBe('/h/hub');
    expect(await cacheOf({ HF_HOME: '~/h' })).toBe(join(homedir(), 'h', 'hub'));
    expect(await cacheOf({ HF_HOME: '/h', HUGGINGFACE_HUB_CACHE: '/c' })).toBe('/c');
    expect(await cacheOf({ HUGGINGFACE_HUB_CACHE: '/c', HF_HUB_CACHE: '/d' })).toBe('/d');
  });

  it('take the token of a variable before that of the file, and say where it is from', async () => {
    const file = put('token', 'hf_file\n');
    expect((await hubSettings({ HF_TOKEN_PATH: file })).token).toEqual({ value: 'hf_file', from: file });
    expect((await hubSettings({ HF_HOME: path('') })).token).toEqual({
      value: 'hf_file',
      from: path('token'),
    });
    expect((await hubSettings({ HF_TOKEN_PATH: file, HF_TOKEN: ' hf_env ' })).token).toEqual({
      value: 'hf_env',
      from: 'HF_TOKEN',
    });
    expect((await hubSettings({ HF_TOKEN_PATH: path('none') })).token).toBeUndefined();
    expect(
      (await hubSettings({ HF_TOKEN: 'hf_env', HF_HUB_DISABLE_IMPLICIT_TOKEN: '1' })).token,
    ).toBeUndefined();
  });

  it('refuse what cannot be used, and never show a token', async () => {
    const refusal = async (env: Record<string, string>): Promise<string> => {
      const error: unknown = await hubSettings(env).catch((thrown: unknown) => thrown);
      return error instanceof UserError ? error.message : '';
    };
    const found = await refusal({ HF_TOKEN: 'hf_secret\r\nx: y' });
    expect(found).toMatch(/token of the hub in HF_TOKEN holds characters that no token has/);
    expect(found).not.toContain('hf_secret');
    expect(await refusal({ HF_ENDPOINT: 'huggingface.co' })).toMatch(
      /HF_ENDPOINT is "huggingface.co", expected/,
    );
    expect(await refusal({ HF_ENDPOINT: 'file:///etc' })).toMatch(/HF_ENDPOINT/);
    expect(await refusal({ HF_HUB_DOWNLOAD_TIMEOUT: 'long' })).toMatch(/HF_HUB_DOWNLOAD_TIMEOUT is long/);
    expect(await refusal({ HF_TOKEN_PATH: path('') })).toMatch(/cannot be read/);
  });

  it('read switches as the Python client does', async () => {
    for (const value of ['1', 'true', 'ON', 'Yes'])
      expect((await hubSettings({ HF_HUB_OFFLINE: value })).offline).toBe(true);
    for (const value of ['', '0', 'no'])
      expect((await hubSettings({ HF_HUB_OFFLINE: value })).offline).toBe(false);
    expect((await hubSettings({ HF_ENDPOINT: 'http://localhost:1/hub/' })).endpoint).toBe(
      'http://localhost:1/hub',
    );
  });
});
