import { beforeAll, describe, expect, it } from '@jest/globals';
import { familyOf } from '../../src/backbones/families.js';
import type { CompiledStep, Engine, Feeds } from '../../src/engine/engine.js';
import { onnxEngine } from '../../src/engine/onnx.js';
import { isStored, type HostTensors, type Weights } from '../../src/engine/tensors.js';
import { tf } from '../../src/engine/tf.js';
import { openDenoiser, type Denoiser, type Request } from '../../src/exits/denoiser.js';
import { initialHeads, type HeadPlan } from '../../src/exits/heads.js';
import { queryInputs, type Model } from '../../src/exits/model.js';
import { stream } from '../../src/random.js';
import { pick } from '../fixtures.js';
import { tinyIo, tinySpec as spec, tinyWeights } from '../tiny-dit.js';

const engine = onnxEngine({ threads: 1, reason: 'test' });
const plans: readonly HeadPlan[] = [
  { kind: 'shared', exit: 1 },
  { kind: 'linear', exit: 2 },
  { kind: 'adapter', exit: 3, bottleneck: 8 },
  { kind: 'block', exit: 4 },
];
const exits = [1, 2, 3, 4, spec.depth];
const size = spec.channels * spec.imageSize ** 2;
const outSize = spec.outChannels * spec.imageSize ** 2;

/** Heads moved from where they start, so that each says something of its own. */
const heads: HostTensors = Object.fromEntries(
  Object.entries(initialHeads(spec, plans, tinyWeights, 1)).map(([name, { shape, data }]) => [
    name,
    { shape, data: Float32Array.from(data, (value) => value + 0.02) },
  ]),
);
const model: Model = { spec, backbone: tinyWeights, plans, heads };
const request = (guidance: number): Request => ({
  x: stream(1, 'x', 0).normals(4 * size),
  t: 500,
  y: Int32Array.of(3, 0, 9, 5),
  guidance,
});
const sampleOf = ({ x, t, y, guidance }: Request, i: number): Request => ({
  ...{ t, guidance },
  x: x.slice(i * size, (i + 1) * size),
  y: y.slice(i, i + 1),
});

async function withDenoiser<T>(isGuided: boolean, work: (denoiser: Denoiser) => Promise<T>): Promise<T> {
  const denoiser = await openDenoiser(engine, model, exits, isGuided);
  try {
    return await work(denoiser);
  } finally {
    await denoiser.dispose();
  }
}

beforeAll(async () => {
  await tf.setBackend('cpu');
});

describe('a denoiser', () => {
  it('equals the plain backbone bit for bit at exit L', async () => {
    const plain = await engine.compile(
      (_state, batch, frozen) => {
        const { x, t, y } = batch as { x: tf.Tensor4D; t: tf.Tensor1D; y: tf.Tensor1D };
        const backbone = familyOf(spec).bind(spec, frozen);
        let state = backbone.embed({ x, t, y });
        for (let k = 1; k <= spec.depth; k++) state = backbone.block(state, k);
        return { state: {}, out: { prediction: backbone.finish(state) } };
      },
      { state: {}, batch: queryInputs(spec), frozen: tinyWeights },
    );
    const { x, t, y } = request(1);
    const { prediction } = await plain({ x, y, t: new Float32Array(4).fill(t) });
    await plain.dispose();
    await withDenoiser(false, async (denoiser) => {
      expect(await denoiser.predict(spec.depth, request(1))).toEqual(prediction?.data);
    });
  });

  it('predicts what the official model recorded, at its exits and at full depth', async () => {
    const x = Float32Array.from(pick(tinyIo, 'x').data).slice(2 * size, 3 * size);
    const recorded: Request = { x, t: 500, y: Int32Array.of(0), guidance: 1 };
    await withDenoiser(false, async (denoiser) => {
      for (const [exit, name] of [[1, 'exit_out_1'], [spec.depth, 'out']] as const) {
        const expected = pick(tinyIo, name).data.slice(2 * outSize, 3 * outSize);
        expect(await denoiser.predict(exit, recorded)).toBeAllClose(expected, 2e-5);
      }
    }); // prettier-ignore
  });

  it.each([
    [1, 'plain'],
    [3, 'guided'],
  ])(
    'gives a batch of mixed labels what each sample gets alone, within 1e-5 (scale %d, %s)',
    async (scale) => {
      await withDenoiser(scale !== 1, async (denoiser) => {
        for (const exit of exits) {
          const together = await denoiser.predict(exit, request(scale));
          expect(together.length).toBe(4 * outSize);
          for (let i = 0; i < 4; i++)
            expect(await denoiser.predict(exit, sampleOf(request(scale), i))).toBeAllClose(
              together.slice(i * outSize, (i + 1) * outSize),
              1e-5,
            );
        }
      });
    },
  );

  it('guides between the null class and the label: scale 1 is the label, 0 the null class', async () => {
    const epsilons = (prediction: Float32Array): Float32Array => prediction.slice(0, size);
    const one = sampleOf(request(1), 0);
    const [on, off] = await withDenoiser(false, async (denoiser) => [
      await denoiser.predict(2, one),
      await denoiser.predict(2, { ...one, y: Int32Array.of(spec.classes) }),
    ]);
    await withDenoiser(true, async (denoiser) => {
      const at = async (guidance: number): Promise<Float32Array> =>
        epsilons(await denoiser.predict(2, { ...one, guidance }));
      expect(await at(1)).toBeAllClose(epsilons(on), 1e-5);
      expect(await at(0)).toBeAllClose(epsilons(off), 1e-5);
      const twice = epsilons(off).map((value, i) => value + 2 * ((on[i] ?? NaN) - value));
      expect(await at(2)).toBeAllClose(twice, 2e-5);
    });
  });

  it('never runs what comes after its exit: weights there may be anything', async () => {
    const sound = await withDenoiser(false, (denoiser) =>
      Promise.all(exits.map((exit) => denoiser.predict(exit, request(1)))),
    );
    for (const [i, exit] of exits.slice(0, -1).entries()) {
      const poisoned = poison(
        tinyWeights,
        (name) => Number(/^blocks\.(\d+)\./.exec(name)?.[1] ?? -1) >= exit,
      );
      const others = poison(heads, (name) => !name.startsWith(`exits.${exit}.`));
      const denoiser = await openDenoiser(
        engine,
        { ...model, backbone: poisoned, heads: others },
        [exit, spec.depth],
        false,
      );
      expect(await denoiser.predict(exit, request(1))).toEqual(sound[i]);
      expect((await denoiser.predict(spec.depth, request(1))).every(Number.isNaN)).toBe(true);
      await denoiser.dispose();
    }
  });

  it('compiles each exit once, with its own head alone', async () => {
    const { spy, compiled } = spying();
    const denoiser = await openDenoiser(spy, model, [2, 6, 2, 3, 6], true);
    expect(compiled.map(({ heads }) => heads)).toEqual([['exits.2'], [], ['exits.3']]);
    await expect(denoiser.predict(1, request(3))).rejects.toThrow('exit 1 was not opened');
  });

  it('warms up by calling every exit twice with the batch that will come, and disposes of all', async () => {
    const { spy, compiled } = spying();
    const denoiser = await openDenoiser(spy, model, [2, 6], true);
    await denoiser.warmUp(3);
    for (const { calls } of compiled) {
      expect(calls.length).toBe(2);
      for (const feeds of calls) {
        expect(feeds['x']).toEqual(new Float32Array(3 * size));
        expect(feeds['y']).toEqual(new Int32Array(3));
        expect(feeds).toHaveProperty('scale', 1);
      }
    }
    await denoiser.dispose();
    expect(compiled.map(({ isDisposed }) => isDisposed())).toEqual([true, true]);
  });
});

function poison(weights: Weights, isPoisoned: (name: string) => boolean): Weights {
  return Object.fromEntries(
    Object.entries(weights).map(([name, weight]) => {
      if (isStored(weight)) throw new Error('these weights are in memory');
      const { shape, data } = weight;
      return [name, isPoisoned(name) ? { shape, data: new Float32Array(data.length).fill(NaN) } : weight];
    }),
  );
}

interface Compiled {
  /** Exits whose heads came along. */
  readonly heads: readonly string[];
  readonly calls: Feeds[];
  readonly isDisposed: () => boolean;
}

/** An engine that computes nothing and writes down what it is asked. */
function spying(): { spy: Engine; compiled: Compiled[] } {
  const compiled: Compiled[] = [];
  const compile: Engine['compile'] = (_step, { frozen }) => {
    const calls: Feeds[] = [];
    let disposed = false;
    const names = Object.keys(frozen).flatMap((name) => /^exits\.\d+/.exec(name)?.[0] ?? []);
    compiled.push({ heads: [...new Set(names)], calls, isDisposed: () => disposed });
    const run = (feeds: Feeds): ReturnType<CompiledStep> => {
      calls.push(feeds);
      return Promise.resolve({ prediction: { shape: [0], data: new Float32Array(0) } });
    };
    return Promise.resolve(
      Object.assign(run, {
        macs: 0,
        read: () => Promise.resolve({}),
        dispose: () => {
          disposed = true;
          return Promise.resolve();
        },
      }),
    );
  };
  return { spy: { kind: 'onnx', reason: 'spy', compile }, compiled };
}
