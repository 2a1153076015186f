import { describe, expect, it } from '@jest/globals';
import { UserError } from '../../src/errors.js';
import { hubAddress, isHubAddress, isSafeName, parseHubAddress } from '../../src/hub/address.js';

const commit = '0123456789abcdef0123456789abcdef01234567';

describe('an address on the hub', () => {
  it.each([
    ['hf://owner/name', 'owner/name', 'main', ''],
    ['hf://owner/name/', 'owner/name', 'main', ''],
    ['hf://Owner-1/na.me_2/transformer', 'Owner-1/na.me_2', 'main', 'transformer'],
    ['hf://owner/name@v1.0/a/b.safetensors', 'owner/name', 'v1.0', 'a/b.safetensors'],
    [`hf://owner/name@${commit}`, 'owner/name', commit, ''],
    ['hf://owner/name@refs/pr/3/transformer', 'owner/name', 'refs/pr/3', 'transformer'],
    ['hf://owner/name@refs%2Fpr%2F3/transformer', 'owner/name', 'refs/pr/3', 'transformer'],
    ['hf://owner/name@feature%2Fx', 'owner/name', 'feature/x', ''],
    ['hf://owner/name/model@2.pt', 'owner/name', 'main', 'model@2.pt'],
  ])('is read from %s', (text, repository, revision, path) => {
    const address = { repository, revision, path };
    expect(parseHubAddress(text)).toEqual(address);
    expect(parseHubAddress(hubAddress(address))).toEqual(address);
  });

  it.each([
    'hf://',
    'hf://name',
    'hf:///name',
    'hf://owner/',
    'hf://owner/..',
    'hf://../name',
    'hf://owner/na--me',
    'hf://owner/na..me',
    'hf://owner/name@',
    'hf://owner/name@..',
    'hf://owner/name@a%2F..%2F..%2Fb',
    'hf://owner/name@%2Fetc',
    'hf://owner/name@%',
    'hf://owner/name@-x',
    'hf://owner/name@a b',
    'hf://owner/name/../../x',
    'hf://owner/name/a//b',
    'hf://owner/name/a\\b',
    'hf://owner/name/C:/b',
    'hf://owner/name/a\u0000b',
    'hf://datasets/owner/name',
    `hf://${'o'.repeat(97)}/name`,
  ])('is not %j', (text) => {
    expect(() => parseHubAddress(text)).toThrow(UserError);
    expect(() => parseHubAddress(text)).toThrow(
      /Expected hf:\/\/owner\/name\[@revision\]\[\/file-or-folder\]/,
    );
  });

  it('begins with hf:// alone', () => {
    expect(['hf://a/b', 'hf:/a/b', './hf:/a', 'https://huggingface.co/a/b'].map(isHubAddress)).toEqual([
      true,
      false,
      false,
      false,
    ]);
  });

  it('has names that lead nowhere else', () => {
    expect(['a.safetensors', '.gitattributes', '...'].every(isSafeName)).toBe(true);
    for (const name of ['', '.', '..', 'a/b', 'a\\b', 'c:', 'a\nb', 'x'.repeat(256)])
      expect(isSafeName(name)).toBe(false);
  });
});
