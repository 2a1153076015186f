import { beforeAll, describe, expect, it } from '@jest/globals';
import type { State } from '../../src/backbones/backbone.js';
import { dit } from '../../src/backbones/dit.js';
import { tf } from '../../src/engine/tf.js';
import {
  checkedPlans,
  headKinds,
  headPlan,
  headShapes,
  initialHeads,
  remembers,
  runHead,
  type HeadPlan,
} from '../../src/exits/heads.js';
import type { Memory } from '../../src/exits/memory.js';
import { UserError } from '../../src/errors.js';
import type { HostTensors } from '../../src/engine/tensors.js';
import { pick, uploadAll } from '../fixtures.js';
import { gelu, layer, normal, rowsOf } from '../plain.js';
import { recordedQuery, tinyDit, tinyIo, tinySpec as spec, tinyWeights } from '../tiny-dit.js';
import { moved } from '../training/tiny.js';

const planOf = (kind: HeadPlan['kind'], exit: number): HeadPlan =>
  headPlan(kind, exit, { bottleneck: 8, rank: 2 });

function stateAfter(k: number): State {
  const backbone = tinyDit();
  let state = backbone.embed(recordedQuery());
  for (let i = 1; i <= k; i++) state = backbone.block(state, i);
  return state;
}

/** What the last full-depth step may have left. */
function someMemory(): Memory {
  const times = (t: number): tf.Tensor1D => tf.fill([4], t);
  return {
    residual: tf.randomNormal([4, spec.tokens, spec.width], 0, 1, 'float32', 3),
    ...{ t: times(30), tFull: times(50) },
  };
}

beforeAll(async () => {
  await tf.setBackend('cpu');
});

describe('heads', () => {
  it.each(headKinds)(
    'of kind %s start exactly as the shared exit, on the completed state if they remember',
    (kind) => {
      tf.tidy(() => {
        const plan = planOf(kind, 2);
        const weights = uploadAll(initialHeads(spec, [plan], tinyWeights, 1));
        const backbone = tinyDit();
        const state = stateAfter(2);
        const memory = someMemory();
        const prediction = runHead(backbone, plan, weights, state, memory);
        const completed = { ...state, hidden: tf.add<tf.Tensor3D>(state.hidden, memory.residual) };
        expect(prediction.shape).toEqual([4, 8, 8, 8]);
        expect(prediction.dataSync()).toEqual(
          backbone.finish(remembers(kind) ? completed : state).dataSync(),
        );
      });
    },
  );

  it.each(['linear', 'adapter'] as const)(
    'of kind %s finish with a last layer of their own, after what an adapter adds to every token',
    (kind) => {
      tf.tidy(() => {
        const plan = planOf(kind, 2);
        const weights = moved(initialHeads(spec, [plan], tinyWeights, 1), 0.1);
        const part = (name: string): HostTensors =>
          Object.fromEntries(
            Object.entries(weights).flatMap(([key, tensor]) =>
              key.startsWith(`exits.2.${name}.`) ? [[key.slice(`exits.2.${name}.`.length), tensor]] : [],
            ),
          );
        const last = Object.entries(part('last')).map(([name, tensor]) => [`final_layer.${name}`, tensor]);
        expect(last).toHaveLength(4);
        const own = dit.bind(
          spec,
          uploadAll({ ...tinyWeights, ...(Object.fromEntries(last) as HostTensors) }),
        );
        const state = stateAfter(2);
        const adapter = part('adapter');
        const tokens = rowsOf(state.hidden.dataSync(), spec.width).map((h) => {
          if (kind === 'linear') return h;
          const more = layer(adapter, 'up', layer(adapter, 'down', normal(h)).map(gelu));
          return h.map((value, i) => value + (more[i] ?? NaN));
        });
        const hidden = tf.tensor3d(tokens.flat(), state.hidden.shape);
        const found = runHead(tinyDit(), plan, uploadAll(weights), state);
        expect(found.dataSync()).toBeAllClose(own.finish({ ...state, hidden }).dataSync(), 2e-5);
      });
    },
  );

  it('of kind block run one more block: with the weights of the next, it is the official exit after that', () => {
    tf.tidy(() => {
      const weights = Object.fromEntries(
        Object.entries(initialHeads(spec, [planOf('block', 2)], tinyWeights, 1)).map(([name, tensor]) => [
          name,
          // Official blocks count from 0.
          name.startsWith('exits.2.block.')
            ? pick(tinyWeights, name.replace('exits.2.block.', 'blocks.2.'))
            : tensor,
        ]),
      );
      const found = runHead(tinyDit(), planOf('block', 2), uploadAll(weights), stateAfter(2));
      expect(found.dataSync()).toBeAllClose(pick(tinyIo, 'exit_out_3').data, 2e-5);
    });
  });

  it.each(headKinds)('of kind %s have the parameters that their shapes say', (kind) => {
    const plan = planOf(kind, 3);
    const weights = initialHeads(spec, [plan], tinyWeights, 1);
    const found = Object.entries(weights).map(([name, { shape, data }]) => [name, shape, data.length]);
    const wanted = Object.entries(headShapes(spec, plan)).map(([name, shape]) => [
      name,
      shape,
      shape.reduce((product, n) => product * n, 1),
    ]);
    expect(found.toSorted()).toEqual(wanted.toSorted());
  });

  it('name their parameters by exit and part, and the shared exit has none', () => {
    const names = (plan: HeadPlan): string[] => Object.keys(headShapes(spec, plan));
    const last = ['linear.weight', 'linear.bias', 'adaLN_modulation.1.weight', 'adaLN_modulation.1.bias'];
    const own = last.map((name) => `exits.3.last.${name}`);
    expect(names(planOf('shared', 3))).toEqual([]);
    expect(names(planOf('linear', 3))).toEqual(own);
    const adapter = ['down.weight', 'down.bias', 'up.weight', 'up.bias'];
    expect(names(planOf('adapter', 3))).toEqual([
      ...adapter.map((name) => `exits.3.adapter.${name}`),
      ...own,
    ]);
    const block = Object.keys(dit.extraBlock.shapes(spec));
    expect(names(planOf('block', 3))).toEqual([...block.map((name) => `exits.3.block.${name}`), ...own]);
  });

  it('own a copy of the last layer, so that training leaves the backbone alone', () => {
    const weights = initialHeads(spec, [planOf('linear', 1)], tinyWeights, 1);
    const copy = weights['exits.1.last.linear.weight'];
    const original = tinyWeights['final_layer.linear.weight'];
    expect(copy?.data).toEqual(original?.data);
    expect(copy?.data.buffer).not.toBe(original?.data.buffer);
  });

  it('start the same from the same seed, whatever other heads there are', () => {
    const alone = initialHeads(spec, [planOf('adapter', 4)], tinyWeights, 5);
    const together = initialHeads(spec, [planOf('block', 1), planOf('adapter', 4)], tinyWeights, 5);
    const name = 'exits.4.adapter.down.weight';
    expect(together[name]?.data).toEqual(alone[name]?.data);
    expect(initialHeads(spec, [planOf('adapter', 4)], tinyWeights, 6)[name]?.data).not.toEqual(
      alone[name]?.data,
    );
  });

  it.each(['linear', 'adapter', 'block'] as const)(
    'of kind %s learn: the gradient reaches every weight that is not shut off by a zero, and moves the prediction',
    (kind) => {
      tf.tidy(() => {
        const plan = planOf(kind, 2);
        const weights = uploadAll(initialHeads(spec, [plan], tinyWeights, 1));
        const backbone = tinyDit();
        const state = stateAfter(2);
        const names = Object.keys(weights);
        const loss = (values: readonly tf.Tensor[]): tf.Scalar => {
          const bound = Object.fromEntries(names.map((name, i) => [name, values[i]!]));
          return tf.mean(tf.square(runHead(backbone, plan, bound, state)));
        };
        const start = names.map((name) => weights[name]!);
        const { value, grads } = tf.valueAndGrads((...given) => loss(given))(start);
        const moving = names.filter((_, i) => tf.max(tf.abs(grads[i]!)).dataSync()[0]! > 0);
        // A zero way up (or zero gates) passes nothing back in the first step, but is itself moved.
        const reached = { linear: /last/, adapter: /last|up/, block: /last|adaLN/ }[kind];
        expect(moving.toSorted()).toEqual(names.filter((name) => reached.test(name)).toSorted());
        const lower = loss(start.map((weight, i) => tf.sub(weight, tf.mul(grads[i]!, 0.01))));
        expect(lower.dataSync()[0]).toBeLessThan(value.dataSync()[0]!);
      });
    },
  );

  it.each(headKinds)('of kind %s keep no tensors', async (kind) => {
    await expect(() => {
      tf.tidy(() => {
        const plan = planOf(kind, 1);
        const weights = uploadAll(initialHeads(spec, [plan], tinyWeights, 1));
        runHead(tinyDit(), plan, weights, stateAfter(1), someMemory());
      });
    }).toKeepTensorCount();
  });

  it('are planned once per exit, below the last block, in ascending order', () => {
    const plans = [planOf('block', 4), planOf('shared', 1), planOf('linear', 2)];
    expect(checkedPlans(spec, plans).map((plan) => plan.exit)).toEqual([1, 2, 4]);
    const refused: readonly (readonly [readonly HeadPlan[], RegExp])[] = [
      [[planOf('linear', 6)], /exit 6.*exits 1 to 5/],
      [[planOf('linear', 0)], /exit 0/],
      [[planOf('linear', 1.5)], /exit 1.5/],
      [[planOf('linear', 2), planOf('shared', 2)], /two heads.*exit 2/],
      [[{ kind: 'adapter', exit: 2, bottleneck: 0 }], /bottleneck of 0/],
    ];
    for (const [given, message] of refused) {
      expect(() => checkedPlans(spec, given)).toThrow(message);
      expect(() => checkedPlans(spec, given)).toThrow(UserError);
    }
  });
});
