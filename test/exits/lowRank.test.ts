import { beforeAll, describe, expect, it } from '@jest/globals';
import type { Backbone, BackboneSpec, Query, State } from '../../src/backbones/backbone.js';
import { familyOf } from '../../src/backbones/families.js';
import { publishedSize } from '../../src/backbones/spec.js';
import { tf } from '../../src/engine/tf.js';
import { sizeOf, type HostTensors } from '../../src/engine/tensors.js';
import { headPlan, headShapes, initialHeads, runHead } from '../../src/exits/heads.js';
import { pick, uploadAll } from '../fixtures.js';
import { labelQuery, someOf } from '../queries.js';
import * as dit from '../tiny-dit.js';
import { recordedQuery as pixartQuery, tinyPixart } from '../tiny-pixart.js';
import { recordedFeeds, tinyUvit } from '../tiny-uvit.js';
import { moved } from '../training/tiny.js';

const rank = 2;
const exit = 2;
const plan = headPlan('low-rank', exit, { rank });

/** A head that is no longer what it began as: down A [r, D], up B [2 D, r] and its bias b [2 D]. */
function head(
  spec: BackboneSpec,
  lastLayer: HostTensors,
): { weights: HostTensors; a: Mat; b: Mat; bias: readonly number[] } {
  const weights = moved(initialHeads(spec, [plan], lastLayer, 1), 0.3);
  const part = (name: string): ArrayLike<number> => pick(weights, `exits.${exit}.lowRank.${name}`).data;
  const row = (data: ArrayLike<number>, i: number, size: number): number[] =>
    Array.from({ length: size }, (_, j) => data[i * size + j] ?? NaN);
  const [down, up] = [part('down.weight'), part('up.weight')];
  return {
    weights,
    a: Array.from({ length: rank }, (_, i) => row(down, i, spec.width)),
    b: Array.from({ length: 2 * spec.width }, (_, i) => row(up, i, rank)),
    bias: Array.from(part('up.bias')),
  };
}
type Mat = readonly (readonly number[])[];
const dot = (x: readonly number[], y: readonly number[]): number =>
  x.reduce((sum, value, i) => sum + value * (y[i] ?? NaN), 0);

function stateAfter(backbone: Backbone, query: Query): State {
  let state = backbone.embed(query);
  for (let k = 1; k <= exit; k++) state = backbone.block(state, k);
  return state;
}

/** What a low-rank head predicts of one sample, and the backbone's last layer with other weights. */
function compared(
  spec: BackboneSpec,
  weights: HostTensors,
  query: () => Query,
  changed: (condition: readonly number[]) => HostTensors,
): void {
  tf.tidy(() => {
    const { weights: own } = head(spec, weights);
    const backbone = familyOf(spec).bind(spec, uploadAll(weights));
    const state = stateAfter(backbone, query());
    const other = { ...weights, ...changed(Array.from(state.condition.dataSync())) };
    const expected = familyOf(spec).bind(spec, uploadAll(other)).finish(backbone.leave(state, exit));
    const found = runHead(backbone, plan, uploadAll(own), state);
    expect(found.dataSync()).toBeAllClose(expected.dataSync(), 1e-5);
  });
}

beforeAll(() => tf.setBackend('cpu'));

describe('a low-rank head', () => {
  it('of a DiT is its last layer with W + B A and with its bias moved', () => {
    const { tinySpec: spec, tinyWeights: weights } = dit;
    const { a, b, bias } = head(spec, weights);
    const name = 'final_layer.adaLN_modulation.1';
    const [weight, offset] = [pick(weights, `${name}.weight`), pick(weights, `${name}.bias`)];
    const { width } = spec;
    compared(
      spec,
      weights,
      () => dit.recordedQuery(),
      () => ({
        [`${name}.weight`]: {
          shape: weight.shape,
          data: Float32Array.from(weight.data, (w, at) => {
            const [i, j] = [Math.floor(at / width), at % width];
            return (
              w +
              dot(
                b[i] ?? [],
                a.map((row) => row[j] ?? NaN),
              )
            );
          }),
        },
        [`${name}.bias`]: {
          shape: offset.shape,
          data: Float32Array.from(offset.data, (value, i) => value + (bias[i] ?? NaN)),
        },
      }),
    );
  });

  /** Shift, then scale, of one sample. */
  const added = (
    { spec, weights }: { readonly spec: BackboneSpec; readonly weights: HostTensors },
    condition: readonly number[],
  ): number[] => {
    const { a, b, bias } = head(spec, weights);
    const narrow = a.map((row) => dot(row, condition));
    return b.map((row, i) => dot(row, narrow) + (bias[i] ?? NaN));
  };

  it('of a U-ViT gives its last norm a shift and a scale that follow the time', () => {
    const tiny = tinyUvit('cond');
    const { spec, weights } = tiny;
    const { x, t, y } = recordedFeeds(tiny);
    const shape: [number, number, number, number] = [t.length, spec.channels, spec.imageSize, spec.imageSize];
    const query = (): Query =>
      someOf(labelQuery(tf.tensor4d(x, shape), tf.tensor1d(t), tf.tensor1d(y, 'int32')), 0);
    compared(spec, weights, query, (condition) => {
      const all = added(tiny, condition);
      const [shift, scale] = [all.slice(0, spec.width), all.slice(spec.width)];
      const [weight, offset] = [pick(weights, 'norm.weight'), pick(weights, 'norm.bias')];
      const by = (i: number): number => 1 + (scale[i] ?? NaN);
      return {
        'norm.weight': { ...weight, data: Float32Array.from(weight.data, (w, i) => w * by(i)) },
        'norm.bias': {
          ...offset,
          data: Float32Array.from(offset.data, (value, i) => value * by(i) + (shift[i] ?? NaN)),
        },
      };
    });
  });

  it('of a PixArt moves the table of its last layer as the time says', () => {
    const tiny = tinyPixart('pixart');
    const { spec, weights } = tiny;
    const table = pick(weights, 'scale_shift_table');
    compared(
      spec,
      weights,
      () => someOf(pixartQuery(tiny), 0),
      (condition) => {
        const all = added(tiny, condition);
        const data = Float32Array.from(table.data, (value, i) => value + (all[i] ?? NaN));
        return { scale_shift_table: { ...table, data } };
      },
    );
  });

  it('is small: rank 4 at every fourth block of DiT-XL/2 takes 452 KB', () => {
    const spec = publishedSize('DiT-XL/2');
    const numbers = (at: number): number =>
      Object.values(headShapes(spec, headPlan('low-rank', at, { rank: 4 }))).reduce(
        (sum, shape) => sum + sizeOf(shape),
        0,
      );
    // down [4, 1152], up [2304, 4] and its bias.
    expect(numbers(4)).toBe(16_128);
    const all = [4, 8, 12, 16, 20, 24, 27].reduce((sum, at) => sum + 4 * numbers(at), 0);
    expect(all).toBe(451_584);
  });
});
