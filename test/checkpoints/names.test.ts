import { describe, expect, it } from '@jest/globals';
import { filled, grouped, pattern } from '../../src/checkpoints/names.js';

const labels = (names: readonly string[]): string[] =>
  grouped(names, (name) => name).map(({ label }) => label);

describe('names that differ in their numbers alone', () => {
  it('stand together, in ranges', () => {
    const blocks = [0, 1, 2, 5].map((k) => `blocks.${k}.attn.qkv.weight`);
    expect(labels([...blocks, 'pos_embed'])).toEqual(['blocks.{0-2,5}.attn.qkv.weight', 'pos_embed']);
    expect(labels(['t.mlp.0.bias', 't.mlp.2.bias', 'conv1.weight'])).toEqual([
      't.mlp.{0,2}.bias',
      'conv1.weight',
    ]);
    const deep = [0, 1].flatMap((i) => [0, 1, 2].map((j) => `down.${i}.block.${j}`));
    expect(labels(deep)).toEqual(['down.{0-1}.block.{0-2}']);
  });

  it('stand apart where something else differs', () => {
    const found = grouped(
      [
        ['a.0', 'x'],
        ['a.1', 'y'],
        ['a.2', 'x'],
      ] as const,
      ([name]) => name,
      ([, what]) => what,
    );
    expect(found.map(({ label, items }) => [label, items.length])).toEqual([
      ['a.{0,2}', 2],
      ['a.1', 1],
    ]);
  });

  it('keep their numbers under another pattern with as many', () => {
    expect(pattern('blocks.3.attn.0.w')).toBe('blocks.#.attn.#.w');
    expect(filled('module.blocks.#.mlp.#.w', 'blocks.3.mlp.7.w')).toBe('module.blocks.3.mlp.7.w');
    expect(filled('module.blocks.#', 'blocks.3.mlp.7.w')).toBeUndefined();
  });
});
