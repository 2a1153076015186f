import { beforeAll, describe, expect, it } from '@jest/globals';
import type { Backbone, Query } from '../../src/backbones/backbone.js';
import { tf } from '../../src/engine/tf.js';
import { initialHeads, type HeadPlan } from '../../src/exits/heads.js';
import { features, runAll, runHeads, runTo, type Heads } from '../../src/exits/run.js';
import { UserError } from '../../src/errors.js';
import { fixtureTensors, pick, upload, uploadAll } from '../fixtures.js';
import { labelQuery, someOf } from '../queries.js';
import { recordedQuery, tinyDit, tinyIo, tinySpec as spec, tinyWeights } from '../tiny-dit.js';

const shared: Heads = {
  plans: [1, 2, 3, 4, 5].map((exit) => ({ kind: 'shared', exit })),
  weights: {},
};
const mixedPlans: readonly HeadPlan[] = [
  { kind: 'linear', exit: 1 },
  { kind: 'adapter', exit: 2, bottleneck: 8 },
  { kind: 'block', exit: 4 },
];
/** One head of each kind, moved away from where they start so that each says something of its own. */
const mixed = (): Heads => {
  const weights = uploadAll(initialHeads(spec, mixedPlans, tinyWeights, 1));
  const moved = Object.entries(weights).map(([name, weight]) => [name, tf.add(weight, 0.02)]);
  return { plans: mixedPlans, weights: Object.fromEntries(moved) as Heads['weights'] };
};

/** A backbone that writes down what is asked of it. */
function spying(backbone: Backbone): { backbone: Backbone; calls: string[] } {
  const calls: string[] = [];
  return {
    calls,
    backbone: {
      ...backbone,
      embed: (query) => (calls.push('embed'), backbone.embed(query)),
      block: (state, k) => (calls.push(`block ${k}`), backbone.block(state, k)),
      leave: (state, k) => (calls.push(`leave ${k}`), backbone.leave(state, k)),
      finish: (state) => (calls.push('finish'), backbone.finish(state)),
    },
  };
}

/** Two of the recorded samples: enough where nothing recorded is compared. */
function pair(): Query {
  return someOf(recordedQuery(), 1, 2);
}

function plain(backbone: Backbone, query: Query): tf.Tensor4D {
  let state = backbone.embed(query);
  for (let k = 1; k <= spec.depth; k++) state = backbone.block(state, k);
  return backbone.finish(state);
}

beforeAll(async () => {
  await tf.setBackend('cpu');
});

describe('exits', () => {
  it('equal the official early-exit model, all from one pass', () => {
    tf.tidy(() => {
      const { backbone, calls } = spying(tinyDit());
      const exits = runAll(backbone, shared, recordedQuery());
      expect(exits.map(({ exit }) => exit)).toEqual([1, 2, 3, 4, 5, 6]);
      for (const { exit, prediction } of exits)
        expect(prediction.dataSync()).toBeAllClose(pick(tinyIo, `exit_out_${exit}`).data, 2e-5);
      expect(calls.filter((call) => call.startsWith('block'))).toHaveLength(6);
    });
  });

  it('equal the official model on a batch whose samples leave at different blocks', () => {
    tf.tidy(() => {
      const recorded = fixtureTensors('ase/mixed_batch.safetensors');
      const predictions = runAll(tinyDit(), shared, recordedQuery(recorded));
      const left = Array.from(pick(recorded, 'exit').data, (exit, i) => {
        const found = predictions.find((p) => p.exit === exit);
        return tf.slice(found!.prediction, i, 1);
      });
      expect(tf.concat(left).dataSync()).toBeAllClose(pick(recorded, 'out').data, 2e-5);
    });
  });

  it('make the errors that the official model makes', () => {
    tf.tidy(() => {
      const recorded = fixtureTensors('ase/error_table.safetensors');
      const noise = upload(pick(recorded, 'noise'));
      const row = 8; // t = 850
      const x = tf.squeeze<tf.Tensor4D>(tf.slice(upload(pick(recorded, 'x_t')), row, 1), [0]);
      const y = upload(pick(recorded, 'y')) as tf.Tensor1D;
      const query = labelQuery(x, tf.fill<tf.Rank.R1>([6], 850), y);
      const errors = runAll(tinyDit(), shared, query).map(
        ({ prediction }) =>
          tf.mean(tf.square(tf.sub(tf.slice(prediction, [0, 0], [-1, 4]), noise))).dataSync()[0],
      );
      expect(errors).toBeAllClose(pick(recorded, 'mse').data.subarray(row * 6, row * 6 + 6), 1e-5);
    });
  });

  it('end in the plain backbone, bit for bit, whatever the heads', () => {
    tf.tidy(() => {
      const backbone = tinyDit();
      const expected = plain(backbone, pair()).dataSync();
      for (const heads of [shared, mixed(), { plans: [], weights: {} }]) {
        expect(runAll(backbone, heads, pair()).at(-1)?.prediction.dataSync()).toEqual(expected);
        expect(runTo(backbone, heads, pair(), spec.depth).dataSync()).toEqual(expected);
      }
    });
  });

  it('stop at k: no later block runs, and the prediction is the one of the full pass', () => {
    tf.tidy(() => {
      const heads = mixed();
      const all = runAll(tinyDit(), heads, pair());
      for (const { exit, prediction } of all) {
        const { backbone, calls } = spying(tinyDit());
        const stopped = runTo(backbone, heads, pair(), exit);
        expect(stopped.dataSync()).toEqual(prediction.dataSync());
        const blocks = Array.from({ length: exit }, (_, i) => `block ${i + 1}`);
        expect(calls).toEqual(['embed', ...blocks, exit === spec.depth ? 'finish' : `leave ${exit}`]);
      }
    });
  });

  it('compute a mixed batch as its samples one by one', () => {
    tf.tidy(() => {
      const backbone = tinyDit();
      const heads = mixed();
      const query = pair();
      const together = runAll(backbone, heads, query);
      for (const i of [0, 1]) {
        runAll(backbone, heads, someOf(query, i)).forEach(({ prediction }, at) => {
          const sample = tf.slice(together[at]!.prediction, i, 1);
          expect(prediction.dataSync()).toBeAllClose(sample.dataSync(), 1e-6);
        });
      }
    });
  });

  it('separate the frozen features from the heads that train on them', () => {
    tf.tidy(() => {
      const { backbone, calls } = spying(tinyDit());
      const heads = mixed();
      const { states, full } = features(backbone, recordedQuery(), [1, 2, 4]);
      expect([...states.keys()]).toEqual([1, 2, 4]);
      expect(full.dataSync()).toBeAllClose(pick(tinyIo, 'out').data, 2e-5);
      calls.length = 0;
      const predictions = runHeads(backbone, heads, states);
      expect(calls).toEqual(['leave 1', 'leave 2', 'leave 4']);
      expect(predictions.map(({ prediction }) => prediction.dataSync())).toEqual(
        runAll(backbone, heads, recordedQuery())
          .slice(0, -1)
          .map(({ prediction }) => prediction.dataSync()),
      );
    });
  });

  it('refuse an exit without a head, before anything runs', () => {
    tf.tidy(() => {
      const { backbone, calls } = spying(tinyDit());
      for (const k of [3, 7, 0]) {
        const attempt = (): unknown => runTo(backbone, { plans: mixedPlans, weights: {} }, pair(), k);
        expect(attempt).toThrow(`exit ${k} has no head; the exits are 1, 2, 4, 6`);
        expect(attempt).toThrow(UserError);
      }
      expect(calls).toEqual([]);
    });
  });

  it('keep no tensors', async () => {
    await expect(() => {
      tf.tidy(() => runAll(tinyDit(), mixed(), pair()).length);
    }).toKeepTensorCount();
  });
});
