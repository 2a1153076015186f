import { describe, expect, it } from '@jest/globals';
import type { BackboneSpec } from '../../src/backbones/backbone.js';
import { familyOf } from '../../src/backbones/families.js';
import { recognise } from '../../src/backbones/recognise.js';
import { ditJson } from '../../src/backbones/ditSpec.js';
import { ditSpec, publishedNames, publishedSize, readSpec, uvitSpec } from '../../src/backbones/spec.js';
import { tinySpec } from '../tiny-dit.js';

/** What a checkpoint of that backbone shows. */
const tensorsOf = (spec: BackboneSpec): Record<string, { shape: readonly number[] }> =>
  Object.fromEntries(Object.entries(familyOf(spec).shapes(spec)).map(([name, shape]) => [name, { shape }]));

describe('tensors without a config.json', () => {
  it.each(publishedNames().filter((name) => !name.startsWith('PixArt')))('show %s', (name) => {
    const spec = publishedSize(name);
    const found = recognise(tensorsOf(spec));
    expect(found).toMatchObject({ kind: 'known', spec });
    expect(found.reason).toContain(`width ${spec.width}`);
  });

  it('show what was trained on something else', () => {
    const small = publishedSize('DiT-B/4', {
      ...{ input_size: 28, in_channels: 1, num_classes: 10 },
      learn_sigma: false,
    });
    expect(recognise(tensorsOf(small))).toMatchObject({ kind: 'known', spec: small });
    const unconditional = publishedSize('DiT-S/8', { num_classes: 0 });
    expect(recognise(tensorsOf(unconditional))).toMatchObject({ kind: 'known', spec: unconditional });
    // The official U-ViT-L/4 for latents of 512 px has the size of that for ImageNet at 64 px.
    const latents = uvitSpec({
      ...{ img_size: 64, patch_size: 4, in_chans: 4, embed_dim: 1024, depth: 20, num_heads: 16 },
      ...{ num_classes: 1001, mlp_time_embed: true },
    });
    expect(recognise(tensorsOf(latents))).toMatchObject({ kind: 'known', spec: latents });
  });

  it('do not show attention heads of a size that was never published, but all else', () => {
    const deeper = ditSpec({ ...ditJson(tinySpec), depth: 8 });
    const made = uvitSpec({ img_size: 16, patch_size: 2, embed_dim: 48, depth: 6, num_heads: 4 });
    for (const spec of [deeper, made]) {
      const { kind, reason } = recognise(tensorsOf(spec));
      expect(kind).toBe('unknown');
      expect(reason).toMatch(/depth \d and width 48, which is no published size.*attention heads/);
      // What it tells is a config.json but for that number.
      const [, options = ''] = /beside num_heads is (\{.*\})$/.exec(reason) ?? [];
      expect(readSpec({ ...(JSON.parse(options) as object), num_heads: 4 }, 'config.json')).toEqual(spec);
    }
  });

  it('are no backbone that is known', () => {
    expect(recognise({ 'conv1.weight': { shape: [64, 3, 7, 7] } })).toEqual({
      kind: 'unknown',
      reason: 'its tensors have the names of neither DiT nor U-ViT nor PixArt',
    });
    const text = { ...tensorsOf(publishedSize('U-ViT-S/2')), 'context_embed.weight': { shape: [512, 768] } };
    expect(recognise(text).kind).toBe('unknown');
    expect(recognise(text).reason).toContain('for text');
  });

  it('do not show the side of the input of a PixArt, nor are they read under the names of its authors', () => {
    const { kind, reason } = recognise(tensorsOf(publishedSize('PixArt-XL/2')));
    expect(kind).toBe('unknown');
    expect(reason).toMatch(/those of a PixArt, .*side of its input is open/);
    const named = ['x_embedder.proj.weight', 'pos_embed', 'final_layer.linear.weight', 't_block.1.weight'];
    const theirs = [...named, 'y_embedder.y_proj.fc1.weight'].map((name) => [name, { shape: [8, 8] }]);
    const original = recognise(Object.fromEntries(theirs) as ReturnType<typeof tensorsOf>);
    expect(original.kind).toBe('unknown');
    expect(original.reason).toContain("under its authors' names");
  });
});
