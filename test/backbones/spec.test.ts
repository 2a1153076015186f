import { describe, expect, it } from '@jest/globals';
import { dit } from '../../src/backbones/dit.js';
import { familyOf } from '../../src/backbones/families.js';
import {
  ditSpec,
  publishedNames,
  publishedSize,
  readSpec,
  specJson,
  type DitOptions,
} from '../../src/backbones/spec.js';
import { sizeOf } from '../../src/engine/tensors.js';
import { UserError } from '../../src/errors.js';
import { tinySpec } from '../tiny-dit.js';

const options: DitOptions = {
  input_size: 28,
  patch_size: 4,
  in_channels: 1,
  hidden_size: 128,
  depth: 12,
  num_heads: 4,
  mlp_ratio: 4,
  num_classes: 10,
  learn_sigma: false,
};

function messageFor(json: unknown): string {
  try {
    readSpec(json, 'models/x/config.json');
  } catch (error) {
    if (error instanceof UserError) return error.message;
    throw error;
  }
  return 'accepted';
}

describe('spec', () => {
  it('reads the options of the official class, and ignores what else a file says', () => {
    expect(tinySpec).toEqual({
      family: 'dit',
      conditioning: 'classes',
      size: 'DiT-tiny/2',
      depth: 6,
      tokens: 16,
      width: 48,
      heads: 4,
      mlpRatio: 4,
      patch: 2,
      channels: 4,
      imageSize: 8,
      outChannels: 8,
      classes: 10,
      nullClass: true,
      timeSteps: 1000,
      timeAxis: 'steps',
      prediction: 'epsilon',
      timeShift: 0,
      mlpNormEpsilon: 1e-6,
      projections: 'joined',
      embedders: 'shared',
      positions: 'stored',
    });
  });

  it('comes back unchanged from its own JSON', () => {
    for (const spec of [tinySpec, ditSpec({ ...options, time_steps: 250 }), publishedSize('DiT-XL/2')])
      expect(readSpec(JSON.parse(JSON.stringify(specJson(spec))), 'config.json')).toEqual(spec);
  });

  it.each([
    ['an unknown family', { ...options, family: 'unet' }, 'family'],
    [
      'heads that do not divide the width',
      { ...options, num_heads: 5 },
      'num_heads 5 does not divide hidden_size 128',
    ],
    [
      'a patch that does not divide the input',
      { ...options, patch_size: 3 },
      'patch_size 3 does not divide input_size 28',
    ],
    ['a width without a position table', { ...options, hidden_size: 126, num_heads: 2 }, 'multiple of 4'],
    ['a fractional MLP width', { ...options, mlp_ratio: 1.3 }, 'mlp_ratio'],
    ['a negative depth', { ...options, depth: -1 }, 'depth'],
    ['a depth without end', { ...options, depth: 1e12 }, 'depth'],
    ['a number written as text', { ...options, hidden_size: '128' }, 'hidden_size'],
    ['no object', [1, 2], 'expected object'],
    ['nothing', null, 'expected object'],
  ])('refuses %s', (_, json, message) => {
    expect(messageFor(json)).toContain(message);
    expect(messageFor(json)).toContain('models/x/config.json');
  });

  it('names all that is missing at once', () => {
    const { depth: _depth, num_heads: _heads, ...rest } = options;
    expect(messageFor(rest)).toMatch(/depth:.*\n.*num_heads:/);
  });

  it('knows the published sizes by name', () => {
    for (const name of publishedNames()) expect(publishedSize(name).size).toBe(name);
    expect(ditSpec(options).size).toBe('DiT-12x128/4');
    expect(() => publishedSize('DiT-XXL/2')).toThrow(/DiT-XL\/2/);
    expect(() => publishedSize('DiT-constructor/2')).toThrow(UserError);
  });

  it('gives the published numbers of parameters', () => {
    // Table 4 of the DiT paper, in millions; the fixed positions are no parameters.
    const ditMillions = { 'DiT-S/2': 33, 'DiT-B/2': 130, 'DiT-L/2': 458, 'DiT-XL/2': 675 };
    for (const [name, expected] of Object.entries(ditMillions)) {
      const { pos_embed: _positions, ...shapes } = familyOf(tinySpec).shapes(publishedSize(name));
      const count = Object.values(shapes).reduce((sum, shape) => sum + sizeOf(shape), 0);
      expect(Math.round(count / 1e6)).toBe(expected);
    }
  });

  it('leads to its family', () => {
    expect(familyOf(tinySpec)).toBe(dit);
  });
});
