import { describe, expect, it } from '@jest/globals';
import type { Labels } from '../../src/backbones/labels.js';
import { openBackbone } from '../../src/checkpoints/backbone.js';
import { planConversion, writeConversion } from '../../src/checkpoints/convert.js';
import { relabelled } from '../../src/checkpoints/relabelled.js';
import { readTensor } from '../../src/checkpoints/stored.js';
import { isStored, type HostTensor, type Weights } from '../../src/engine/tensors.js';
import { fixturePath, pick } from '../fixtures.js';
import { scratch } from '../scratch.js';
import { tinySpec, tinyWeights } from '../tiny-dit.js';
import { tinyUvit } from '../tiny-uvit.js';

const { path } = scratch();
const table = 'y_embedder.embedding_table.weight';

async function inMemory(weights: Weights, name: string): Promise<HostTensor> {
  const weight = weights[name];
  if (!weight) throw new Error(`${name} is missing`);
  return isStored(weight) ? readTensor(weight) : weight;
}

function rowOf({ shape, data }: HostTensor, row: number): number[] {
  const [, width = 0] = shape;
  return [...data.slice(row * width, (row + 1) * width)];
}

describe('a table of labels', () => {
  const old = pick(tinyWeights, table);

  it('keeps, moves and repeats rows bit for bit, and the row for no class stays the last', async () => {
    const { weights, spec } = await relabelled(tinySpec, tinyWeights, [7, 7, 0, 'none']);
    const made = await inMemory(weights, table);
    expect(made.shape).toEqual([5, tinySpec.width]);
    expect([0, 1, 2, 3, 4].map((row) => rowOf(made, row))).toEqual(
      [7, 7, 0, 10, 10].map((row) => rowOf(old, row)),
    );
    expect(spec).toEqual({ ...tinySpec, classes: 4 });
    const others = Object.keys(weights).filter((name) => name !== table);
    expect(others.every((name) => weights[name] === tinyWeights[name])).toBe(true);
  });

  it('averages the classes without the row for no class', async () => {
    const { weights } = await relabelled(tinySpec, tinyWeights, ['mean']);
    const sums = Array.from({ length: 10 }, (_, row) => rowOf(old, row));
    const mean = rowOf(old, 0).map((_, i) => sums.reduce((sum, row) => sum + (row[i] ?? NaN), 0) / 10);
    expect(rowOf(await inMemory(weights, table), 0)).toBeAllClose(mean, 1e-7);
  });

  it('draws new rows as the family starts them, the same every time', async () => {
    const labels: Labels = Array.from({ length: 100 }, () => 'new' as const);
    const made = await Promise.all([1, 2].map(() => relabelled(tinySpec, tinyWeights, labels)));
    const [first, second] = await Promise.all(made.map(({ weights }) => inMemory(weights, table)));
    expect(first).toEqual(second);
    const drawn = [...(first?.data ?? [])].slice(0, 100 * tinySpec.width);
    const deviation = Math.sqrt(drawn.reduce((sum, x) => sum + x * x, 0) / drawn.length);
    expect(deviation).toBeGreaterThan(0.019);
    expect(deviation).toBeLessThan(0.021);
    expect(new Set(drawn).size).toBeGreaterThan(0.99 * drawn.length);
  });

  it('loses all classes of a DiT that becomes unconditional', async () => {
    const { weights } = await relabelled(tinySpec, tinyWeights, 'unconditional');
    const made = await inMemory(weights, table);
    expect(made.shape).toEqual([1, tinySpec.width]);
    expect(rowOf(made, 0)).toEqual(rowOf(old, 10));
  });

  it('of a U-ViT is its label_emb', async () => {
    const { spec, weights } = tinyUvit('cond');
    const made = await relabelled(spec, weights, [3, 'none']);
    const before = pick(weights, 'label_emb.weight');
    const after = await inMemory(made.weights, 'label_emb.weight');
    expect([0, 1, 2].map((row) => rowOf(after, row))).toEqual(
      [3, spec.classes, spec.classes].map((row) => rowOf(before, row)),
    );
  });
});

describe('a backbone opened with labels', () => {
  const source = { path: fixturePath('dit/model.safetensors'), weights: 'auto', labels: ['2-4'] } as const;

  it('is another backbone than without, and the same as the bundle of its heads means', async () => {
    const plain = await openBackbone({ ...source, labels: undefined });
    const opened = await openBackbone(source);
    expect(opened.spec).toEqual({ ...plain.spec, classes: 3 });
    expect(opened.fingerprint).not.toBe(plain.fingerprint);
    const again = await openBackbone({ ...source, spec: opened.spec });
    expect(again).toMatchObject({ spec: opened.spec, fingerprint: opened.fingerprint });
  });

  it('can be what a bundle calls unconditional', async () => {
    const opened = await openBackbone({ ...source, labels: 'unconditional' });
    expect(opened.spec).toMatchObject({ classes: 0, nullClass: false });
    const again = await openBackbone({ ...source, labels: 'unconditional', spec: opened.spec });
    expect(again.fingerprint).toBe(opened.fingerprint);
  });

  it('changes the embedders of every block, where each has its own', async () => {
    const opened = await openBackbone({ ...source, path: fixturePath('diffusers/dit'), labels: [9] });
    const before = await openBackbone({ path: fixturePath('diffusers/dit'), weights: 'auto' });
    for (const k of [0, 1, 2]) {
      const name = `blocks.${k}.${table}`;
      const [made, old] = [await inMemory(opened.weights, name), await inMemory(before.weights, name)];
      expect(made.shape).toEqual([2, tinySpec.width]);
      expect([rowOf(made, 0), rowOf(made, 1)]).toEqual([rowOf(old, 9), rowOf(old, 10)]);
    }
    expect(opened.spec).toEqual({ ...before.spec, classes: 1 });
  });

  it.each(['official', 'diffusers'] as const)('is written whole in the layout %s', async (to) => {
    const opened = await openBackbone(source);
    const conversion = await planConversion(opened, to);
    await writeConversion(conversion, path(to));
    const again = await openBackbone({ path: path(to), weights: 'auto' });
    expect(again.spec).toMatchObject({ classes: 3, nullClass: true });
    expect((await inMemory(again.weights, table)).data).toEqual((await inMemory(opened.weights, table)).data);
    if (to === 'official') expect(again.fingerprint).toBe(opened.fingerprint);
  });
});
