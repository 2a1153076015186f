import { beforeAll, describe, expect, it } from '@jest/globals';
import type { Query } from '../../src/backbones/backbone.js';
import { dit } from '../../src/backbones/dit.js';
import { guided, requireChannels, requireGuidable } from '../../src/backbones/guidance.js';
import { tf } from '../../src/engine/tf.js';
import { UserError } from '../../src/errors.js';
import { queryOf } from '../../src/exits/model.js';
import { nonePrompt } from '../../src/exits/prompts.js';
import { runTo } from '../../src/exits/run.js';
import { trace } from '../../src/trace/trace.js';
import { pick } from '../fixtures.js';
import { someOf } from '../queries.js';
import { recordedQuery, tinyDit, tinyIo, tinySpec as spec, tinyWeights } from '../tiny-dit.js';

const none = { plans: [], weights: {} };
const predictor = () => {
  const backbone = tinyDit();
  return (query: Query) => runTo(backbone, none, query, spec.depth);
};
/** The recorded guided call, without its second, null-class half. */
const nobody = () => nonePrompt({}, spec);
const query = (): Query => {
  return someOf(recordedQuery(tinyIo, 'cfg_'), 0, 2);
};

beforeAll(async () => {
  await tf.setBackend('cpu');
});

describe('guidance', () => {
  it('equals the official guided forward where it guides three channels', () => {
    tf.tidy(() => {
      const out = guided(spec, predictor(), query(), nobody(), tf.scalar(4), 3);
      const { data, shape } = pick(tinyIo, 'cfg_out');
      expect(shape).toEqual([4, 8, 8, 8]);
      expect(out.shape).toEqual([2, 8, 8, 8]);
      expect(out.dataSync()).toBeAllClose(data.slice(0, data.length / 2), 2e-5);
    });
  });

  it('guides all of epsilon unless told, and leaves the variance to the conditional half', () => {
    tf.tidy(() => {
      const predict = predictor();
      const given = query();
      const conditional = predict(given);
      const unconditional = predict({
        ...given,
        prompt: { kind: 'label', y: tf.tensor1d([10, 10], 'int32') },
      });
      const expected = tf.add(tf.mul(conditional, 2.5), tf.mul(unconditional, -1.5));
      const [epsilon, variance] = tf.split(guided(spec, predict, given, nobody(), tf.scalar(2.5)), 2, 1);
      expect(epsilon!.dataSync()).toBeAllClose(tf.slice(expected, [0, 0], [-1, 4]).dataSync(), 1e-5);
      expect(variance!.dataSync()).toBeAllClose(tf.slice(conditional, [0, 4], [-1, 4]).dataSync(), 1e-6);
    });
  });

  it('needs a null class, unless the scale is 1', () => {
    const unconditional = { ...spec, classes: 0, nullClass: false };
    expect(() => requireGuidable(spec, 4)).not.toThrow();
    expect(() => requireGuidable(unconditional, 1)).not.toThrow();
    expect(() => requireGuidable(unconditional, 4)).toThrow(UserError);
    expect(() => requireGuidable(unconditional, 4)).toThrow('it is unconditional');
    expect(() => requireGuidable({ ...spec, nullClass: false }, 0)).toThrow('its labels have no null class');
    expect(() => requireChannels(spec, undefined)).not.toThrow();
    expect(() => requireChannels(spec, spec.channels)).not.toThrow();
    expect(() => requireChannels(spec, spec.channels + 1)).toThrow(UserError);
  });

  it('is the plain prediction at scale 1', () => {
    tf.tidy(() => {
      const predict = predictor();
      const out = guided(spec, predict, query(), nobody(), tf.scalar(1));
      expect(out.dataSync()).toBeAllClose(predict(query()).dataSync(), 1e-6);
    });
  });

  it('traces to one graph for every batch size, twice the multiply-adds', () => {
    const macs = (scale: boolean): number => {
      const { graph } = trace(
        (state, batch, frozen) => {
          const backbone = dit.bind(spec, frozen);
          const predict = (asked: Query) => runTo(backbone, none, asked, spec.depth);
          const asked = queryOf(batch, spec);
          return {
            state,
            out: {
              y: scale
                ? guided(spec, predict, asked, nonePrompt(batch, spec), batch['scale']!)
                : predict(asked),
            },
          };
        },
        {
          state: {},
          batch: {
            x: { shape: ['batch', 4, 8, 8] },
            t: { shape: ['batch'] },
            y: { shape: ['batch'], dtype: 'int32' },
            ...(scale ? { scale: { shape: [] } } : {}),
          },
          frozen: tinyWeights,
        },
      );
      return graph.macsPerSample();
    };
    expect(macs(true)).toBe(2 * macs(false));
  });
});
