import { describe, expect, it } from '@jest/globals';
import { exitMacs, type Model } from '../../src/exits/model.js';
import { askMacs } from '../../src/exits/ask.js';
import { openDenoiser } from '../../src/exits/denoiser.js';
import { initialHeads, type HeadPlan } from '../../src/exits/heads.js';
import { openPerSample } from '../../src/exits/perSample.js';
import { initialUncertainty, type Uncertainty } from '../../src/exits/uncertainty.js';
import { stream } from '../../src/random.js';
import { familyOf } from '../../src/backbones/families.js';
import { tf } from '../../src/engine/tf.js';
import { features } from '../../src/exits/run.js';
import { uploadAll } from '../fixtures.js';
import { labelQuery } from '../queries.js';
import { livelyWeights, moved, onnx, spec } from '../training/tiny.js';
import { plainUncertainties } from './plainUncertainty.js';

const backbone = livelyWeights();
const plans: readonly HeadPlan[] = [
  { kind: 'adapter', exit: 1, bottleneck: 4 },
  { kind: 'shared', exit: 2 },
];
const model: Model = { spec, backbone, plans, heads: moved(initialHeads(spec, plans, backbone, 1), 0.05) };
const plan: Uncertainty = { form: 'log-excess', exits: [1, 2], bottleneck: 4 };
// So far apart that samples differ.
const uncertainty = { plan, weights: moved(initialUncertainty(spec, plan, 1), 0.8) };
const count = 6;
const x = stream(0, 'x').normals(count * 64);
const y = Int32Array.from({ length: count }, (_, i) => i % 4);
const request = (guidance: number, from = 0, some = count) => ({
  ...{ x: x.slice(from * 64, (from + some) * 64), y: y.slice(from, from + some) },
  ...{ t: 40, guidance },
});

/** What the head of each exit says of every sample; where both halves are asked, the mean of both. */
async function said(guidance: number): Promise<number[][]> {
  await tf.setBackend('cpu');
  return tf.tidy(() => {
    const of = (labels: Int32Array): number[][] => {
      const bound = familyOf(spec).bind(spec, uploadAll(backbone));
      const query = labelQuery(
        tf.tensor4d(x, [count, 1, 8, 8]),
        tf.fill([count], 40),
        tf.tensor1d(labels, 'int32'),
      );
      const times = new Float32Array(count).fill(40);
      return [...features(bound, query, plan.exits).states].map(([exit, { hidden }]) =>
        plainUncertainties(spec, plan.form, exit, uncertainty.weights, hidden.dataSync(), times),
      );
    };
    const [conditional, unconditional] = [of(y), of(new Int32Array(count).fill(4))];
    if (guidance === 1) return conditional;
    return conditional.map((row, k) => row.map((u, i) => (u + (unconditional[k]?.[i] ?? NaN)) / 2));
  });
}

describe.each([1, 2])('leaving per sample, with guidance %d', (guidance) => {
  const isGuided = guidance !== 1;

  it.each([
    [0, 3],
    [Infinity, 1],
  ])('with threshold %d is exit %d for all', async (threshold, exit) => {
    const perSample = await openPerSample(onnx, model, uncertainty, threshold, isGuided);
    const whole = await openDenoiser(onnx, model, [exit], isGuided);
    const expected = await whole.begin().predict(exit, request(guidance));
    expect(await perSample.predict(request(guidance))).toBeAllClose(expected, 1e-5);
    const { exits, depthUsed } = perSample.spent();
    expect([...exits]).toEqual([[exit, count]]);
    const asked = plan.exits
      .filter((k) => k <= exit)
      .reduce((sum, k) => sum + askMacs(spec, plan, k, uncertainty.weights), 0);
    if (!isGuided)
      expect(depthUsed).toBeCloseTo((exitMacs(model, exit) + asked) / exitMacs(model, spec.depth), 6);
    await perSample.dispose();
    await whole.dispose();
  });

  it('draws the same after warming up, which counts as nothing spent', async () => {
    const perSample = await openPerSample(onnx, model, uncertainty, 1, isGuided);
    const cold = await perSample.predict(request(guidance));
    const { exits, depthUsed } = perSample.spent();
    await perSample.warmUp(count);
    expect(perSample.spent()).toEqual({ exits, depthUsed });
    expect(await perSample.predict(request(guidance))).toEqual(cold);
    await perSample.dispose();
  });

  it('is, sample by sample, what each gets alone, at the exit it leaves at', async () => {
    const perSample = await openPerSample(onnx, model, uncertainty, 1, isGuided);
    const whole = await openDenoiser(onnx, model, [1, 2, 3], isGuided);
    const together = await perSample.predict(request(guidance));
    const { exits } = perSample.spent();
    // Otherwise this tests nothing.
    expect(exits.size).toBeGreaterThan(1);
    const alone = await openPerSample(onnx, model, uncertainty, 1, isGuided);
    const used: number[] = [];
    for (let i = 0; i < count; i++) {
      const own = together.slice(i * 64, (i + 1) * 64);
      const before = new Map(alone.spent().exits);
      expect(await alone.predict(request(guidance, i, 1))).toBeAllClose(own, 1e-5);
      const exit = [...alone.spent().exits].find(([k, n]) => n > (before.get(k) ?? 0))?.[0] ?? NaN;
      used.push(exit);
      const expected = await whole.begin().predict(exit, request(guidance));
      expect(own).toBeAllClose(expected.slice(i * 64, (i + 1) * 64), 1e-5);
    }
    const heads = await said(guidance);
    expect(used).toEqual(
      Array.from({ length: count }, (_, i) => {
        const k = heads.findIndex((row) => (row[i] ?? NaN) < 1);
        return k < 0 ? spec.depth : plan.exits[k];
      }),
    );
    for (const [exit, n] of exits) expect(used.filter((k) => k === exit)).toHaveLength(n);
    expect(perSample.spent().depthUsed).toBeCloseTo(alone.spent().depthUsed, 9);
    for (const one of [perSample, alone, whole]) await one.dispose();
  });
});
