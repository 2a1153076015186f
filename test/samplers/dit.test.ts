import { beforeAll, describe, expect, it } from '@jest/globals';
import { dit } from '../../src/backbones/dit.js';
import { ddpmBetas, diffusion } from '../../src/diffusion/betas.js';
import { respace } from '../../src/diffusion/respace.js';
import type { HostTensors } from '../../src/engine/tensors.js';
import { tf } from '../../src/engine/tf.js';
import { sample, type Denoise, type SampleOptions } from '../../src/samplers/sampler.js';
import { fixtureTensors, pick, uploadAll } from '../fixtures.js';
import { labelQuery } from '../queries.js';
import { tinySpec as spec } from '../tiny-dit.js';

const ddpm = diffusion(ddpmBetas);

describe('the official DiT sampler with learned variance', () => {
  const size = 4 * 8 * 8;
  const timesteps = respace(1000, '25');
  const floats = (file: HostTensors, name: string): Float32Array => Float32Array.from(pick(file, name).data);
  const largest = (values: Float32Array): number =>
    values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);

  beforeAll(async () => {
    await tf.setBackend('cpu');
  });

  it('is followed on recorded predictions', async () => {
    const file = fixtureTensors('schedulers/dit_p_sample.safetensors');
    const rows = (name: string, step: number): Float32Array =>
      floats(file, name).slice(step * 4 * size, step * 4 * size + 2 * size);
    // model_out has the first 2 of the 4 rows, with twice the channels: also 4 * size numbers a step.
    const recorded: Denoise = (_x, _t, step) =>
      Promise.resolve(floats(file, 'model_out').slice(step * 4 * size, (step + 1) * 4 * size));
    const options: SampleOptions = {
      solver: { kind: 'ddpm' },
      diffusion: ddpm,
      timesteps,
      clip: false,
      count: 2,
      noise: (step) => rows('noise', step),
    };
    const tolerance = 1e-5 * largest(floats(file, 'x'));
    const seen: Float32Array[] = [];
    const last = await sample(options, rows('x_T', 0), (x, t, step) => {
      seen.push(x);
      return recorded(x, t, step);
    });
    [...seen.slice(1), last].forEach((x, step) => expect(x).toBeAllClose(rows('x', step), tolerance));
  });

  it('is followed with this DiT as the model', async () => {
    const file = fixtureTensors('schedulers/dit_p_sample_nocfg.safetensors');
    const y = pick(file, 'y').data;
    const weights = uploadAll(fixtureTensors('dit/model.safetensors'));
    const backbone = dit.bind(spec, weights);
    const denoise: Denoise = async (x, t) => {
      const prediction = tf.tidy(() => {
        const asked = labelQuery(tf.tensor4d(x, [2, 4, 8, 8]), tf.fill([2], t), tf.tensor1d(y, 'int32'));
        let state = backbone.embed(asked);
        for (let k = 1; k <= spec.depth; k++) state = backbone.block(state, k);
        return backbone.finish(state);
      });
      const data = await prediction.data<'float32'>();
      prediction.dispose();
      return data;
    };
    const noise = (step: number): Float32Array =>
      floats(file, 'noise').slice(step * 2 * size, (step + 1) * 2 * size);
    const options = {
      solver: { kind: 'ddpm' },
      diffusion: ddpm,
      timesteps,
      clip: false,
      count: 2,
      noise,
    } as const;
    const x = await sample(options, floats(file, 'x_T'), denoise);
    const expected = floats(file, 'x').slice(-2 * size);
    const tolerance = 1e-5 * largest(floats(file, 'x'));
    expect(x).toBeAllClose(expected, tolerance);
    tf.dispose(weights);
  });
});
