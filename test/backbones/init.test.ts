import { describe, expect, it } from '@jest/globals';
import type { BackboneSpec } from '../../src/backbones/backbone.js';
import { fineTunable, initialWeights, trainable } from '../../src/backbones/init.js';
import { publishedSize } from '../../src/backbones/spec.js';
import { pick } from '../fixtures.js';
import { tinySpec as theirDit } from '../tiny-diffusers.js';
import { tinySpec, tinyWeights } from '../tiny-dit.js';
import { tinyPixart } from '../tiny-pixart.js';
import { tinyUvit } from '../tiny-uvit.js';

const statistics = (data: ArrayLike<number>) => {
  const numbers = Array.from(data);
  const mean = numbers.reduce((a, b) => a + b, 0) / numbers.length;
  const deviation = Math.sqrt(numbers.reduce((a, b) => a + (b - mean) ** 2, 0) / numbers.length);
  return { mean, deviation, largest: Math.max(...numbers.map(Math.abs)) };
};

describe('initial weights', () => {
  const weights = initialWeights(tinySpec, 3);

  it('have the names and shapes of the official class', () => {
    const shapes = (tensors: typeof weights) =>
      Object.fromEntries(
        Object.entries(tensors).map(([name, { shape, data }]) => [name, [shape, data.length]]),
      );
    expect(shapes(weights)).toEqual(shapes(tinyWeights));
  });

  it('place tokens as the official class does', () => {
    expect(pick(weights, 'pos_embed').data).toBeAllClose(pick(tinyWeights, 'pos_embed').data, 1e-6);
  });

  it('are xavier-uniform in linear layers and in the flattened patch embedding', () => {
    const fans = {
      'blocks.2.attn.qkv.weight': 48 + 144,
      'blocks.0.mlp.fc1.weight': 48 + 192,
      'x_embedder.proj.weight': 16 + 48,
    };
    for (const [name, fan] of Object.entries(fans)) {
      const { mean, deviation, largest } = statistics(pick(weights, name).data);
      const bound = Math.sqrt(6 / fan);
      expect(largest).toBeLessThanOrEqual(Math.fround(bound));
      expect(largest).toBeGreaterThan(0.99 * bound);
      expect(Math.abs(mean)).toBeLessThan(0.1 * bound);
      expect(deviation * Math.sqrt(3)).toBeCloseTo(bound, 1);
    }
  });

  it('are normal with deviation 0.02 in the label table and the timestep MLP', () => {
    for (const name of [
      'y_embedder.embedding_table.weight',
      't_embedder.mlp.0.weight',
      't_embedder.mlp.2.weight',
    ]) {
      const { mean, deviation, largest } = statistics(pick(weights, name).data);
      expect(Math.abs(mean)).toBeLessThan(0.003);
      expect(deviation).toBeGreaterThan(0.018);
      expect(deviation).toBeLessThan(0.022);
      expect(largest).toBeGreaterThan(0.04);
    }
  });

  it('are zero in biases, adaptive norms and the last layer', () => {
    const silent = Object.keys(weights).filter((name) => /bias$|adaLN|final_layer/.test(name));
    expect(silent).toHaveLength(43);
    for (const name of silent) expect(statistics(pick(weights, name).data).largest).toBe(0);
  });

  it('depend on the seed and the name alone', () => {
    const bytes = (seed: number, name: string) => pick(initialWeights(tinySpec, seed), name).data;
    expect(bytes(3, 'blocks.1.attn.proj.weight')).toEqual(pick(weights, 'blocks.1.attn.proj.weight').data);
    expect(bytes(4, 'blocks.1.attn.proj.weight')).not.toEqual(bytes(3, 'blocks.1.attn.proj.weight'));
    expect(bytes(3, 'blocks.2.attn.proj.weight')).not.toEqual(bytes(3, 'blocks.1.attn.proj.weight'));
  });

  it('train, all but the fixed positions', () => {
    expect(trainable(publishedSize('DiT-S/8'))).not.toContain('pos_embed');
    expect(trainable(tinySpec)).toHaveLength(Object.keys(tinyWeights).length - 1);
  });
});

describe('initial weights of a U-ViT', () => {
  const { spec, weights: official } = tinyUvit('cond');
  const weights = initialWeights(spec, 3);
  const of = (name: string) => statistics(pick(weights, name).data);

  it('have the names of the official class, and train all of them', () => {
    expect(Object.keys(weights).toSorted()).toEqual(Object.keys(official).toSorted());
    expect(trainable(spec).toSorted()).toEqual(Object.keys(official).toSorted());
  });

  it('are normal with deviation 0.02 in linear layers and positions, and 1 in the label table', () => {
    for (const name of ['pos_embed', 'in_blocks.0.attn.qkv.weight', 'out_blocks.1.skip_linear.weight'])
      expect(Math.abs(of(name).deviation - 0.02)).toBeLessThan(0.001);
    expect(Math.abs(of('label_emb.weight').deviation - 1)).toBeLessThan(0.1);
  });

  it('are uniform by the inputs in convolutions', () => {
    for (const [name, inputs] of [
      ['patch_embed.proj.weight', 3 * 4],
      ['final_layer.weight', 3 * 9],
    ] as const) {
      expect(of(name).largest).toBeLessThanOrEqual(Math.fround(1 / Math.sqrt(inputs)));
      expect(of(name).largest).toBeGreaterThan(0.95 / Math.sqrt(inputs));
    }
  });

  it('are plain norms and no biases', () => {
    for (const name of Object.keys(weights).filter((key) => /norm\d?\.weight$/.test(key)))
      expect(new Set(pick(weights, name).data)).toEqual(new Set([1]));
    for (const name of Object.keys(weights).filter((key) => key.endsWith('.bias')))
      expect(of(name).largest).toBe(0);
  });
});

describe('fine-tuning leaves as it is, of all that training moves,', () => {
  const layers = (prefix: string, ...names: string[]) =>
    names.flatMap((name) => [`${prefix}${name}.weight`, `${prefix}${name}.bias`]);
  const uvit = tinyUvit('cond').spec;
  const ofPixart = layers('adaln_single.emb.timestep_embedder.', 'linear_1', 'linear_2');

  it.each<[string, BackboneSpec, readonly string[]]>([
    ['a DiT', tinySpec, layers('t_embedder.', 'mlp.0', 'mlp.2')],
    [
      'a DiT of diffusers, whose blocks have embedders of their own',
      theirDit,
      [0, 1, 2].flatMap((block) => layers(`blocks.${block}.t_embedder.`, 'mlp.0', 'mlp.2')),
    ],
    ['a U-ViT that embeds time', { ...uvit, timeMlp: true }, layers('time_embed.', '0', '2')],
    ['a U-ViT whose time is bare waves', uvit, []],
    ['a PixArt', tinyPixart('pixart').spec, ofPixart],
    ['a PixArt that knows sizes, whose embedders move', tinyPixart('pixart-large').spec, ofPixart],
  ])('the embedder of time in %s', (_, of, still) => {
    const moving = fineTunable(of);
    expect(trainable(of).filter((name) => !moving.includes(name))).toEqual(still);
    expect(moving.filter((name) => !trainable(of).includes(name))).toEqual([]);
  });

  it('but not the layer that makes shifts, scales and gates of it, nor labels', () => {
    const ofDit = layers('blocks.0.', 'adaLN_modulation.1').concat('y_embedder.embedding_table.weight');
    expect(fineTunable(tinySpec)).toEqual(expect.arrayContaining(ofDit));
    const moving = fineTunable(tinyPixart('pixart-large').spec);
    const modulation = layers('adaln_single.', 'linear', 'emb.resolution_embedder.linear_1');
    expect(moving).toEqual(expect.arrayContaining(modulation));
  });
});
