import { describe, expect, it } from '@jest/globals';
import { cacheFolder } from '../../src/files/cacheFolder.js';

describe('the cache folder', () => {
  it.each([
    ['linux', {}, '/home/me/.cache/exithead'],
    ['linux', { XDG_CACHE_HOME: '/var/cache' }, '/var/cache/exithead'],
    ['darwin', { XDG_CACHE_HOME: '/var/cache' }, '/home/me/Library/Caches/exithead'],
    ['win32', {}, '/home/me/AppData/Local/exithead'],
    ['win32', { LOCALAPPDATA: '/local' }, '/local/exithead'],
    ['linux', { EXITHEAD_CACHE: '/mine' }, '/mine'],
  ])('on %s with %p lies in %s', (platform, env, folder) => {
    expect(cacheFolder({ platform, env, home: '/home/me' })).toBe(folder);
  });
});
