import { describe, expect, it } from '@jest/globals';
import { familyOf } from '../../src/backbones/families.js';
import { publishedSize, readSpec, specJson, withExitRule } from '../../src/backbones/spec.js';
import { uvit } from '../../src/backbones/uvit.js';
import { publishedUvits, uvitSpec, type UvitOptions } from '../../src/backbones/uvitSpec.js';
import { sizeOf } from '../../src/engine/tensors.js';
import { UserError } from '../../src/errors.js';
import { fixtureJson } from '../fixtures.js';
import { tinySpec } from '../tiny-dit.js';

const options: UvitOptions = { img_size: 16, patch_size: 2, embed_dim: 48, depth: 4, num_heads: 4 };

function messageFor(json: unknown): string {
  try {
    readSpec(json, 'models/x/config.json');
  } catch (error) {
    if (error instanceof UserError) return error.message;
    throw error;
  }
  return 'accepted';
}

describe('the spec of a U-ViT', () => {
  it('is read from the options of the official class, which name no family', () => {
    expect(readSpec(fixtureJson('uvit/uncond/config.json'), 'config.json')).toEqual({
      ...{ family: 'uvit', size: 'U-ViT-tiny/2', depth: 5, tokens: 65, width: 48, heads: 4, mlpRatio: 4 },
      ...{ patch: 2, channels: 3, imageSize: 16, outChannels: 3, classes: 0, nullClass: false },
      ...{ conditioning: 'classes', timeSteps: 1000, timeAxis: 'continuous', prediction: 'epsilon' },
      ...{ timeMlp: false, finalConvolution: true, exitRule: 'skips' },
    });
  });

  it('counts classes without the null class, which is the last row of the label table', () => {
    const spec = readSpec(fixtureJson('uvit/cond/config.json'), 'config.json');
    expect(spec).toMatchObject({ classes: 10, nullClass: true, tokens: 66 });
    expect(uvitSpec({ ...options, num_classes: 11, null_class: false })).toMatchObject({
      ...{ classes: 11, nullClass: false },
    });
  });

  it('comes back unchanged from its own JSON', () => {
    const specs = [
      uvitSpec(options),
      uvitSpec({ ...options, num_classes: 11, mlp_time_embed: true, conv: false, exit_rule: 'plain' }),
      uvitSpec({ ...options, num_classes: 7, null_class: false, time_axis: 'steps', time_steps: 250 }),
      ...publishedUvits().map((name) => publishedSize(name)),
    ];
    for (const spec of specs)
      expect(readSpec(JSON.parse(JSON.stringify(specJson(spec))), 'config.json')).toEqual(spec);
  });

  it('feeds native t of pixels in continuous time and that of latents from 1, unless it is said', () => {
    expect(uvitSpec(options).timeAxis).toBe('continuous');
    expect(uvitSpec({ ...options, in_chans: 4 }).timeAxis).toBe('steps-from-1');
    expect(uvitSpec({ ...options, in_chans: 4, time_axis: 'continuous' }).timeAxis).toBe('continuous');
  });

  it.each([
    ['an odd depth', { ...options, depth: 5 }, 'depth 5 is odd'],
    ['an odd width', { ...options, embed_dim: 45, num_heads: 5 }, 'embed_dim 45 is odd'],
    [
      'heads that do not divide the width',
      { ...options, num_heads: 5 },
      'num_heads 5 does not divide embed_dim 48',
    ],
    [
      'a patch that does not divide the input',
      { ...options, patch_size: 3 },
      'patch_size 3 does not divide img_size 16',
    ],
    ['biases of queries, keys and values', { ...options, qkv_bias: true }, 'qkv_bias: expected false'],
    ['no long skips', { ...options, skip: false }, 'skip: expected true'],
    ['a null class alone', { ...options, num_classes: 1 }, 'num_classes 1 is the null class alone'],
    ['an unknown rule', { ...options, exit_rule: 'some' }, 'exit_rule'],
  ])('refuses %s', (_, json, message) => {
    expect(messageFor(json)).toContain(message);
    expect(messageFor(json)).toContain('models/x/config.json describes no U-ViT');
  });

  it('knows the published sizes, what each was trained on, and their numbers of parameters', () => {
    // Table 1 of the U-ViT paper, in millions.
    const millions = { 'U-ViT-S/2': 44, 'U-ViT-M/4': 131, 'U-ViT-L/2': 287, 'U-ViT-H/2': 501 };
    for (const [name, expected] of Object.entries(millions)) {
      const spec = publishedSize(name);
      const count = Object.values(familyOf(spec).shapes(spec)).reduce((sum, shape) => sum + sizeOf(shape), 0);
      expect(Math.round(count / 1e6)).toBe(expected);
    }
    for (const name of publishedUvits()) expect(publishedSize(name).size).toBe(name);
    expect(publishedSize('U-ViT-S/4')).toMatchObject({ imageSize: 64, channels: 3, classes: 0, tokens: 257 });
    expect(publishedSize('U-ViT-M/4')).toMatchObject({ channels: 3, classes: 1000, nullClass: false });
    expect(publishedSize('U-ViT-H/4')).toMatchObject({
      ...{ imageSize: 64, channels: 4, classes: 1000, nullClass: true, finalConvolution: false, depth: 29 },
    });
    expect(publishedSize('U-ViT-S/2', { input_size: 64 })).toMatchObject({ imageSize: 64, patch: 2 });
    expect(() => publishedSize('U-ViT-S/8')).toThrow(/U-ViT-S\/2/);
  });

  it('takes another exit rule, which a DiT has none of', () => {
    const spec = uvitSpec(options);
    expect(withExitRule(spec, 'plain')).toEqual({ ...spec, exitRule: 'plain' });
    expect(() => withExitRule(tinySpec, 'plain')).toThrow(UserError);
    expect(familyOf(spec)).toBe(uvit);
  });
});
