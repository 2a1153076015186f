import { describe, expect, it } from '@jest/globals';
import { openSafetensors } from '../../src/checkpoints/safetensors.js';
import { isQuantised } from '../../src/engine/tensors.js';
import { quantise, weightsIn } from '../../src/exits/precision.js';
import { stream } from '../../src/random.js';
import { fixturePath, pick } from '../fixtures.js';
import { tinyWeights } from '../tiny-dit.js';
import { tinyPixart } from '../tiny-pixart.js';

describe('a weight in 8 bits', () => {
  it('is off by at most half a level of its own output channel', () => {
    const [outputs, inputs] = [5, 7];
    const data = stream(0, 'w').normals(outputs * inputs);
    // Channels of very different sizes, and one of zeros.
    for (let i = 0; i < data.length; i++) data[i]! *= [1, 1e-4, 1e4, 0, 1][Math.floor(i / inputs)]!;
    const { shape, numbers, scales } = quantise({ shape: [outputs, inputs], data });
    expect(shape).toEqual([outputs, inputs]);
    for (let o = 0; o < outputs; o++) {
      const row = [...data.subarray(o * inputs, (o + 1) * inputs)];
      const meant = row.map((_, i) => numbers[i * outputs + o]! * scales[o]!);
      const most = Math.max(...row.map(Math.abs));
      expect(meant).toBeAllClose(row, (0.5 * most) / 127 + 1e-6 * most);
      expect(scales[o]! * 127).toBeCloseTo(most === 0 ? 127 : most, 3);
    }
    expect(numbers.every((n) => Math.abs(n) <= 127)).toBe(true);
  });
});

describe('weights in a precision', () => {
  it('are the same ones in floats', async () => {
    expect(await weightsIn(tinyWeights, 'fp32')).toBe(tinyWeights);
  });
  it('are rounded where a layer acts on every token of a block, and nowhere else', async () => {
    const rounded = await weightsIn(tinyWeights, 'int8');
    expect(Object.keys(rounded)).toEqual(Object.keys(tinyWeights));
    const names = Object.entries(rounded).flatMap(([name, weight]) => (isQuantised(weight) ? [name] : []));
    expect(names.filter((name) => name.startsWith('blocks.0.')).toSorted()).toEqual(
      ['attn.proj', 'attn.qkv', 'mlp.fc1', 'mlp.fc2'].map((layer) => `blocks.0.${layer}.weight`),
    );
    expect(names.every((name) => name.startsWith('blocks.'))).toBe(true);
    for (const [name, weight] of Object.entries(rounded))
      if (!isQuantised(weight)) expect(weight).toBe(tinyWeights[name]);
  });
  it('are rounded in both attentions and the MLP of a PixArt', async () => {
    const rounded = await weightsIn(tinyPixart('pixart').weights, 'int8');
    const names = Object.entries(rounded).flatMap(([name, weight]) => (isQuantised(weight) ? [name] : []));
    const attention = ['attn1', 'attn2'].flatMap((which) =>
      ['to_k', 'to_out.0', 'to_q', 'to_v'].map((layer) => `${which}.${layer}`),
    );
    expect(names.filter((name) => name.startsWith('transformer_blocks.0.')).toSorted()).toEqual(
      [...attention, 'ff.net.0.proj', 'ff.net.2'].map((layer) => `transformer_blocks.0.${layer}.weight`),
    );
    expect(names.every((name) => name.startsWith('transformer_blocks.'))).toBe(true);
  });
  it('are rounded as rows of the same layer where query, key and value are apart', async () => {
    const names = ['q', 'k', 'v'].map((which) => `blocks.0.attn.${which}.weight`);
    const joined = pick(tinyWeights, 'blocks.0.attn.qkv.weight');
    const size = joined.data.length / 3;
    const apart = names.map((name, i) => {
      const data = joined.data.slice(i * size, (i + 1) * size);
      return [name, { shape: [48, 48], data }] as const;
    });
    const split = await weightsIn(Object.fromEntries(apart), 'int8');
    const scales = names.flatMap((name) => {
      const weight = split[name];
      return weight && isQuantised(weight) ? [...weight.scales] : [];
    });
    expect(scales).toEqual([...quantise(joined).scales]);
  });
  it('are read from a file for those alone', async () => {
    const { tensors } = await openSafetensors(fixturePath('dit/model.safetensors'));
    const [stored, inMemory] = [await weightsIn(tensors, 'int8'), await weightsIn(tinyWeights, 'int8')];
    expect(stored['blocks.1.mlp.fc2.weight']).toEqual(inMemory['blocks.1.mlp.fc2.weight']);
    expect(stored['pos_embed']).toBe(tensors['pos_embed']);
  });
});
