import { beforeAll, describe, expect, it } from '@jest/globals';
import type { State } from '../../src/backbones/backbone.js';
import { epsilonOf, varianceOf } from '../../src/backbones/channels.js';
import { labelsIn } from '../../src/backbones/prompt.js';
import { ditSpec, specJson } from '../../src/backbones/spec.js';
import { tf } from '../../src/engine/tf.js';
import { UserError } from '../../src/errors.js';
import {
  checkedPlans,
  headPlan,
  headShapes,
  initialHeads,
  remembers,
  runHead,
  type HeadPlan,
} from '../../src/exits/heads.js';
import type { Memory } from '../../src/exits/memory.js';
import { exitInputs, exitMacs, exitStep, type Model } from '../../src/exits/model.js';
import { uploadAll } from '../fixtures.js';
import { recordedQuery, tinyDit, tinySpec as spec, tinyWeights } from '../tiny-dit.js';
import { moved, onnx } from '../training/tiny.js';

const exit = 2;
const sizes = { bottleneck: 8, rank: 2 };
const own = ['low-rank', 'linear', 'adapter', 'block', 'memory'] as const;
const sharing = (kind: HeadPlan['kind']): HeadPlan => headPlan(kind, exit, { ...sizes, variance: 'shared' });
const { channels } = spec;

/** Weights that no longer predict what the backbone's last layer does. */
const trained = (plan: HeadPlan) => moved(initialHeads(spec, [plan], tinyWeights, 1), 0.1);

function stateAtExit(): State {
  const backbone = tinyDit();
  let state = backbone.embed(recordedQuery());
  for (let k = 1; k <= exit; k++) state = backbone.block(state, k);
  return state;
}

function someMemory(): Memory {
  const times = (t: number): tf.Tensor1D => tf.fill([4], t);
  return {
    residual: tf.randomNormal([4, spec.tokens, spec.width], 0, 1, 'float32', 3),
    ...{ t: times(30), tFull: times(50) },
  };
}

beforeAll(() => tf.setBackend('cpu'));

describe('a head that shares its variance', () => {
  it.each(own)(
    'of kind %s has the mean of its own and the variance of the shared exit, or of the remembered one',
    (kind) => {
      tf.tidy(() => {
        const [backbone, state, memory] = [tinyDit(), stateAtExit(), someMemory()];
        const weights = uploadAll(trained(sharing(kind)));
        const predict = (plan: HeadPlan): tf.Tensor4D => runHead(backbone, plan, weights, state, memory);
        const found = predict(sharing(kind));
        const alone = predict(headPlan(kind, exit, sizes));
        const shared = predict(headPlan(remembers(kind) ? 'remembered' : 'shared', exit));
        const [mean, variance] = [epsilonOf(found, channels), varianceOf(found, channels)];
        expect(mean.dataSync()).toEqual(epsilonOf(alone, channels).dataSync());
        expect(variance.dataSync()).toEqual(varianceOf(shared, channels).dataSync());
        expect(variance.dataSync()).not.toBeAllClose(varianceOf(alone, channels).dataSync(), 0.05);
      });
    },
  );

  it('does so compiled, and costs the last layer a second time', async () => {
    const plan = sharing('linear');
    const model: Model = { spec, backbone: tinyWeights, plans: [plan], heads: trained(plan) };
    const query = recordedQuery();
    const [x, t] = [query.x.dataSync<'float32'>(), query.t.dataSync<'float32'>()];
    const y = Int32Array.from(labelsIn(query.prompt).dataSync());
    const compiled = await onnx.compile(exitStep(model, exit, false), {
      ...{ state: {}, batch: exitInputs(model, exit, false) },
      frozen: { ...model.backbone, ...model.heads },
    });
    const { prediction } = await compiled({ x, t, y });
    await compiled.dispose();
    tf.tidy(() => {
      const weights = uploadAll(trained(plan));
      const eager = runHead(tinyDit(), plan, weights, stateAtExit());
      expect(prediction?.data).toBeAllClose(eager.dataSync(), 1e-5);
    });
    const alone = { ...model, plans: [headPlan('linear', exit)] };
    const { tokens, width, patch, outChannels } = spec;
    expect(exitMacs(model, exit) - exitMacs(alone, exit)).toBe(
      width * 2 * width + tokens * width * patch ** 2 * outChannels,
    );
  });

  it('has the parameters that it had', () => {
    for (const kind of own)
      expect(headShapes(spec, sharing(kind))).toEqual(headShapes(spec, headPlan(kind, exit, sizes)));
  });

  it('needs no word where the kind shares it anyway', () => {
    expect(sharing('shared')).toEqual({ kind: 'shared', exit });
    expect(sharing('remembered')).toEqual({ kind: 'remembered', exit });
  });

  it('is refused where the backbone predicts none', () => {
    const without = ditSpec({ ...specJson(spec), learn_sigma: false });
    const check = (): unknown => checkedPlans(without, [sharing('block')]);
    expect(check).toThrow(UserError);
    expect(check).toThrow(/block head at exit 2 takes its variance from the backbone, but .* predicts none/);
  });
});
