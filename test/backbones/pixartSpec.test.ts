import { describe, expect, it } from '@jest/globals';
import { pixartSpec, publishedPixart } from '../../src/backbones/pixartSpec.js';
import { publishedSize, readSpec, specJson } from '../../src/backbones/spec.js';
import { fixtureJson } from '../fixtures.js';
import { tinyPixart } from '../tiny-pixart.js';

const theirs = fixtureJson('diffusers/pixart/config.json') as Readonly<Record<string, unknown>>;
const read = (changes: object) => readSpec({ ...theirs, ...changes }, 'config.json');

describe('the spec of a PixArt', () => {
  it('is read from the config.json of diffusers', () => {
    expect(tinyPixart('pixart').spec).toEqual({
      family: 'pixart',
      conditioning: 'captions',
      size: 'PixArt-3x48/2',
      depth: 3,
      tokens: 16,
      width: 48,
      heads: 4,
      mlpRatio: 4,
      patch: 2,
      channels: 4,
      imageSize: 8,
      outChannels: 8,
      captionChannels: 24,
      captionTokens: 7,
      timeSteps: 1000,
      timeAxis: 'steps',
      prediction: 'epsilon',
      interpolation: 1,
      sizeConditions: false,
    });
  });

  it('takes the tokens of a caption that the pipeline takes, unless told', () => {
    expect(read({})).toMatchObject({ captionTokens: 120 });
    expect(read({ caption_tokens: 300 })).toMatchObject({ captionTokens: 300 });
  });

  it('is that of the published size at 256, 512 and 1024 px', () => {
    const at = (input_size: number) => publishedSize('PixArt-XL/2', { input_size });
    expect(at(32)).toEqual(publishedSize('PixArt-XL/2'));
    expect(at(32)).toMatchObject({ size: 'PixArt-XL/2', depth: 28, width: 1152, heads: 16, tokens: 256 });
    expect(at(32)).toMatchObject({ interpolation: 1, sizeConditions: false, captionChannels: 4096 });
    expect(at(64)).toMatchObject({ interpolation: 1, sizeConditions: false, tokens: 1024 });
    expect(at(128)).toMatchObject({ interpolation: 2, sizeConditions: true, tokens: 4096 });
    expect(publishedPixart('PixArt-L/2')).toBeUndefined();
  });

  it('comes back unchanged from its own JSON', () => {
    const unlike = pixartSpec({
      ...{ num_layers: 2, num_attention_heads: 2, attention_head_dim: 12, cross_attention_dim: 24 },
      ...{ in_channels: 3, out_channels: null, sample_size: 32, caption_channels: 5, caption_tokens: 9 },
      ...{ interpolation_scale: 0.5, use_additional_conditions: true, time_steps: 100 },
    });
    for (const spec of [unlike, tinyPixart('pixart').spec, publishedSize('PixArt-XL/2', { input_size: 128 })])
      expect(readSpec(JSON.parse(JSON.stringify(specJson(spec))), 'config.json')).toEqual(spec);
  });

  it.each([
    [
      'a patch that does not divide the side',
      { patch_size: 3 },
      'patch_size 3 does not divide sample_size 8',
    ],
    ['outputs of no meaning', { out_channels: 5 }, 'neither in_channels 4 nor twice that'],
    ['cross attention of another width', { cross_attention_dim: 64 }, 'cross_attention_dim is 64'],
    ['no caption channels', { caption_channels: null }, 'caption_channels is missing'],
    ['other norms', { norm_type: 'ada_norm_zero' }, 'expected ada_norm_single'],
    ['another epsilon', { norm_eps: 1e-5 }, 'expected 0.000001'],
    ['gated attention', { attention_type: 'gated' }, 'expected default'],
    ['a depth without end', { num_layers: 1e9 }, 'num_layers'],
    [
      'a width that the size does not fit',
      { use_additional_conditions: true, attention_head_dim: 10, cross_attention_dim: 40 },
      'no multiple of 3',
    ],
  ])('is refused with %s', (_, changes, message) => {
    expect(() => read(changes)).toThrow(message);
    expect(() => read(changes)).toThrow('config.json describes no PixArt');
  });

  it('is also read where the class has the name it had when the models were published', () => {
    const { _class_name: _, ...rest } = theirs;
    const published = { ...rest, _class_name: 'Transformer2DModel', num_vector_embeds: null };
    expect(readSpec(published, 'config.json')).toEqual(read({}));
    const dit = { ...published, norm_type: 'ada_norm_zero', norm_eps: 1e-5 };
    expect(readSpec(dit, 'config.json').family).toBe('dit');
  });

  it('of another class of diffusers is refused with the classes that are known', () => {
    expect(() => read({ _class_name: 'SD3Transformer2DModel' })).toThrow(/DiT and PixArt-alpha are known/);
  });
});
