import { beforeAll, describe, expect, it } from '@jest/globals';
import { epsilonOf, varianceOf } from '../../src/backbones/channels.js';
import { ddpmBetas, diffusion } from '../../src/diffusion/betas.js';
import { addNoise } from '../../src/diffusion/forward.js';
import type { Feeds, Step, Tensors } from '../../src/engine/engine.js';
import { tf } from '../../src/engine/tf.js';
import { imageInput, queryInputs, queryOf } from '../../src/exits/model.js';
import { runTo } from '../../src/exits/run.js';
import { dit } from '../../src/backbones/dit.js';
import { stream } from '../../src/random.js';
import { lossesAndGradients } from '../../src/training/gradients.js';
import { boundInputs, boundTables, variationalBound } from '../../src/training/variance.js';
import { fixtureFloats, fixtureTensors, pick } from '../fixtures.js';
import { tinySpec, tinyWeights } from '../tiny-dit.js';
import { eager, onnx } from './tiny.js';

const official = diffusion(ddpmBetas);
const file = 'ase/training_losses.safetensors';
const recorded = (name: string): Float32Array => fixtureFloats(file, name);

/** The last layer is all that moves: its rows make the mean and the variance apart from each other. */
const lastLayer = ['final_layer.linear.weight', 'final_layer.linear.bias'];

/** The bound of the fixture's DiT and its gradient by the last layer; the squared error of every sample beside it. */
const judge: Step = (state, batch, frozen) => {
  const { x, noise, t } = batch as Readonly<Record<string, tf.Tensor>>;
  if (!x || !noise || !t) throw new Error('a test feeds x, noise and t');
  const predict = (trained: Tensors): tf.Tensor4D =>
    runTo(
      dit.bind(tinySpec, { ...frozen, ...trained }),
      { plans: [], weights: {} },
      queryOf(batch, tinySpec),
      tinySpec.depth,
    );
  const boundOf = (prediction: tf.Tensor4D): tf.Tensor1D =>
    variationalBound(
      {
        epsilon: epsilonOf(prediction, tinySpec.channels),
        variance: varianceOf(prediction, tinySpec.channels),
        ...{ x, noise },
      },
      batch,
    );
  const { losses: vb, gradients } = lossesAndGradients(state, tf.onesLike(t).as1D(), (trained) =>
    boundOf(predict(trained)),
  );
  const error = tf.sub(epsilonOf(predict(state), tinySpec.channels), noise);
  return { state, out: { vb, mse: tf.mean(tf.square(error), [1, 2, 3]), ...gradients } };
};

async function judged(engine: typeof onnx, alter: (feeds: Feeds) => Feeds = (feeds) => feeds) {
  const [x0, noise] = [recorded('x0'), recorded('noise')];
  const t = Float32Array.from(pick(fixtureTensors(file), 't').data);
  const tables = Object.entries(boundTables(official));
  const step = await engine.compile(judge, {
    state: Object.fromEntries(lastLayer.map((name) => [name, pick(tinyWeights, name)])),
    batch: { ...queryInputs(tinySpec), noise: imageInput(tinySpec), ...boundInputs },
    frozen: tinyWeights,
  });
  try {
    return await step(
      alter({
        ...{ x: addNoise(official, x0, noise, t), noise, t },
        y: Int32Array.from(pick(fixtureTensors(file), 'y').data),
        ...Object.fromEntries(tables.map(([name, table]) => [name, t.map((at) => table[at] ?? NaN)])),
      }),
    );
  } finally {
    await step.dispose();
  }
}

function expectRelative(found: ArrayLike<number>, expected: ArrayLike<number>, tolerance: number): void {
  const ratios = Array.from(found, (value, i) => value / (expected[i] ?? NaN));
  expect(ratios).toBeAllClose(
    ratios.map(() => 1),
    tolerance,
  );
}

beforeAll(() => tf.setBackend('cpu'));

describe('the variational bound', () => {
  it.each([
    ['compiled', onnx],
    ['eagerly', eager],
  ])('is that of the official code, t = 0 among its times, %s', async (_, engine) => {
    expect([...pick(fixtureTensors(file), 't').data]).toContain(0);
    const { vb, mse } = await judged(engine);
    expectRelative(mse!.data, recorded('mse'), 1e-4);
    expectRelative(vb!.data, recorded('vb'), 1e-4);
    expectRelative(
      mse!.data.map((value, i) => value + (vb!.data[i] ?? NaN)),
      recorded('loss'),
      1e-4,
    );
  });

  it.each([
    ['compiled', onnx],
    ['eagerly', eager],
  ])('never moves the mean, by exactly nothing, %s', async (_, engine) => {
    const out = await judged(engine);
    // Rows of the last layer: within every pixel of a patch its 2 C channels, those of epsilon first.
    const { channels, outChannels, width } = tinySpec;
    for (const [name, length] of [
      ['final_layer.linear.weight', width],
      ['final_layer.linear.bias', 1],
    ] as const) {
      const gradient = [...(out[name]?.data ?? [])];
      const isMean = (i: number): boolean => Math.floor(i / length) % outChannels < channels;
      const [mean, variance] = [gradient.filter((_, i) => isMean(i)), gradient.filter((_, i) => !isMean(i))];
      expect(mean.length).toBe(variance.length);
      expect(mean.every((value) => value === 0)).toBe(true);
      expect(variance.every((value) => value !== 0 && Number.isFinite(value))).toBe(true);
    }
  });
});

describe('on numbers made by hand, the bound', () => {
  /** A batch of one pixel each, at those times. */
  function bound(
    t: readonly number[],
    { epsilon, variance, x0, noise }: Readonly<Record<'epsilon' | 'variance' | 'x0' | 'noise', number[]>>,
  ): Float32Array {
    return tf.tidy(() => {
      const pixels = (values: readonly number[]): tf.Tensor4D =>
        tf.tensor4d([...values], [t.length, 1, 1, 1]);
      const tables = Object.entries(boundTables(official));
      const x = addNoise(official, Float32Array.from(x0), Float32Array.from(noise), t);
      return variationalBound(
        { epsilon: pixels(epsilon), variance: pixels(variance), x: pixels([...x]), noise: pixels(noise) },
        Object.fromEntries(
          tables.map(([name, table]) => [name, tf.tensor1d(t.map((at) => table[at] ?? NaN))]),
        ),
      ).dataSync<'float32'>();
    });
  }

  it('is the divergence of two normal distributions', () => {
    const t = [1, 10, 500, 999];
    const draw = (name: string): number[] => [...stream(3, name).normals(t.length)];
    const given = { epsilon: draw('e'), variance: [-1, 0.3, 1, -0.2], x0: draw('x0'), noise: draw('n') };
    const expected = t.map((at, i) => {
      const [a, before, beta] = [
        official.alphasCumprod[at]!,
        official.alphasCumprod[at - 1]!,
        official.betas[at]!,
      ];
      const posterior = (beta * (1 - before)) / (1 - a);
      const v = (given.variance[i]! + 1) / 2;
      const model = beta ** v * posterior ** (1 - v);
      const x0Gap = Math.sqrt((1 - a) / a) * (given.epsilon[i]! - given.noise[i]!);
      const meanGap = ((beta * Math.sqrt(before)) / (1 - a)) * x0Gap;
      return (Math.log(model / posterior) + (posterior + meanGap ** 2) / model - 1) / 2 / Math.LN2;
    });
    expectRelative(bound(t, given), expected, 1e-4);
  });

  it('counts at t = 0 what lies beyond black and white', () => {
    const x0 = [-1, 1, 0.2];
    const variance = [0.5, 0.5, 0.5];
    const [a, beta] = [official.alphasCumprod[0]!, official.betas[0]!];
    const [before, next, nextBeta] = [a, official.alphasCumprod[1]!, official.betas[1]!];
    const posterior = (nextBeta * (1 - before)) / (1 - next);
    const deviation = Math.sqrt(posterior ** 0.25 * beta ** 0.75);
    const share = (z: number): number =>
      0.5 * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (z + 0.044715 * z ** 3)));
    const gap = 0.3 * Math.sqrt((1 - a) / a);
    const [up, down] = [share((gap + 1 / 255) / deviation), share((gap - 1 / 255) / deviation)];
    const expected = [up, 1 - down, up - down].map((probability) => -Math.log2(probability));
    const noise = [0.1, 0.2, -0.4];
    expectRelative(
      bound([0, 0, 0], { x0, variance, noise, epsilon: noise.map((e) => e + 0.3) }),
      expected,
      1e-4,
    );
  });

  it('needs a second diffusion step', () => {
    expect(() => boundTables(diffusion({ ...ddpmBetas, steps: 1 }))).toThrow(
      'diffusion.steps is 1; a learned variance is trained with at least 2.',
    );
  });
});
