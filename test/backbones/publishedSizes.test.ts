import { describe, expect, it } from '@jest/globals';
import { familyOf } from '../../src/backbones/families.js';
import { recognise } from '../../src/backbones/recognise.js';
import { publishedNames, publishedSize } from '../../src/backbones/spec.js';
import { sizeOf } from '../../src/engine/tensors.js';

/**
 * Millions of parameters: table 4 of the DiT paper; tables of the U-ViT paper and its repository, one number for each
 * size; the title of the PixArt-alpha paper says 0.6 billion. Those of the tiny sizes are ours.
 */
const millions: Readonly<Record<string, number>> = {
  ...{ 'DiT-S/2': 33, 'DiT-S/4': 33, 'DiT-S/8': 33, 'DiT-B/2': 130, 'DiT-B/4': 130, 'DiT-B/8': 131 },
  ...{ 'DiT-L/2': 458, 'DiT-L/4': 458, 'DiT-L/8': 459, 'DiT-XL/2': 675, 'DiT-XL/4': 675, 'DiT-XL/8': 676 },
  ...{ 'U-ViT-S/2': 44, 'U-ViT-S/4': 44, 'U-ViT-M/4': 131, 'U-ViT-L/2': 287, 'U-ViT-L/4': 287 },
  ...{ 'U-ViT-H/2': 501, 'U-ViT-H/4': 501, 'PixArt-XL/2': 611 },
  ...{ 'DiT-tiny/2': 0.3, 'DiT-tiny/4': 0.3, 'DiT-tiny/8': 0.3, 'U-ViT-tiny/2': 0.2 },
};

describe('every size that has a name', () => {
  it('is in the table', () => {
    expect(publishedNames().sort()).toEqual(Object.keys(millions).sort());
  });

  it.each(Object.entries(millions))('%s has %d million parameters', (name, expected) => {
    const spec = publishedSize(name);
    expect(spec.size).toBe(name);
    const shapes = familyOf(spec).shapes(spec);
    // Fixed positions are no parameters in the papers; learned ones of U-ViT are few.
    const count = Object.entries(shapes).reduce(
      (sum, [key, shape]) => sum + (spec.family === 'dit' && key === 'pos_embed' ? 0 : sizeOf(shape)),
      0,
    );
    expect(Math.abs(count / 1e6 - expected)).toBeLessThan(expected < 1 ? 0.1 : 1);
  });

  it.each(Object.keys(millions).filter((name) => !name.startsWith('PixArt')))(
    '%s comes back from the shapes of its tensors alone',
    (name) => {
      const spec = publishedSize(name);
      const tensors = Object.entries(familyOf(spec).shapes(spec)).map(
        ([key, shape]) => [key, { shape }] as const,
      );
      expect(recognise(Object.fromEntries(tensors))).toMatchObject({ kind: 'known', spec: { size: name } });
    },
  );
});
