import { describe, expect, it } from '@jest/globals';
import { onnxEngine } from '../../src/engine/onnx.js';
import { pickEngine } from '../../src/engine/pick.js';
import { tf } from '../../src/engine/tf.js';
import { openVaeDecoder } from '../../src/vae/decoder.js';
import { openVaeEncoder } from '../../src/vae/encoder.js';
import { openVae } from '../../src/vae/openVae.js';
import { fromDiffusion, toDiffusion } from '../../src/vae/scaling.js';
import { pick } from '../fixtures.js';
import { folder, tinyIo, tinySpec, tinyTiled } from '../tiny-vae.js';

/** A correct port is about 1e-6 off. */
const tolerance = 1e-5;
const recorded = (name: string): Float32Array => Float32Array.from(pick(tinyIo, name).data);
const wasm = await pickEngine({ kind: 'wasm', threads: 0 });
const engines = [onnxEngine({ threads: 1, reason: 'test' }), wasm].map(
  (engine) => [engine.kind, engine] as const,
);
const vae = await openVae(folder);

describe.each(engines)('an autoencoder on %s', (_, engine) => {
  it('encodes images as diffusers do', async () => {
    const encoder = await openVaeEncoder(engine, vae, { imageSize: 16 });
    const { mean, logvar } = await encoder.encode(recorded('image'));
    expect(mean).toBeAllClose(recorded('mean'), tolerance);
    expect(logvar).toBeAllClose(recorded('logvar'), tolerance);
    expect(logvar.map((v) => Math.exp(v / 2))).toBeAllClose(recorded('std'), tolerance);
    await encoder.dispose();
  });

  it('decodes latents as diffusers do, once they are scaled as diffusion has them', async () => {
    const decoder = await openVaeDecoder(engine, vae, { latentSize: 8 });
    expect(decoder.imageSize).toBe(16);
    for (const [latents, images] of [
      ['z', 'decoded'],
      ['mean', 'recon'],
    ] as const) {
      const scaled = toDiffusion(tinySpec, recorded(latents));
      expect(await decoder.decode(scaled)).toBeAllClose(recorded(images), tolerance);
    }
    await decoder.dispose();
  });

  it('decodes images of another size with the same weights', async () => {
    const decoder = await openVaeDecoder(engine, vae, { latentSize: 14 });
    const scaled = toDiffusion(tinySpec, Float32Array.from(pick(tinyTiled, 'z').data));
    expect(await decoder.decode(scaled)).toBeAllClose(pick(tinyTiled, 'whole').data, tolerance);
    await decoder.dispose();
  });
});

describe('an autoencoder', () => {
  it('counts the multiply-adds of an image', async () => {
    const { spec, weights } = vae;
    const [engine] = engines[0] ? [engines[0][1]] : [];
    if (!engine) throw new Error('there is an engine');
    const encoder = await openVaeEncoder(engine, { spec, weights }, { imageSize: 16 });
    const twice = await openVaeEncoder(engine, { spec, weights }, { imageSize: 32 });
    // All is convolution but the attention, whose products grow with the square of the pixels.
    const attention = 2 * 64 ** 2 * 16;
    expect(twice.macs - 16 * attention).toBe(4 * (encoder.macs - attention));
    await Promise.all([encoder.dispose(), twice.dispose()]);
  });

  it('leaves no tensor behind on an eager engine', async () => {
    await expect(async () => {
      const decoder = await openVaeDecoder(wasm, vae, { latentSize: 8, tile: 4 });
      await decoder.decode(recorded('z'));
      await decoder.dispose();
    }).toKeepTensorCount();
    expect(tf.getBackend()).toBe('wasm');
  });

  it('scales latents there and back, with a shift where there is one', () => {
    const z = Float32Array.of(-1, 0, 2.5);
    const spec = { scalingFactor: 0.25, shift: 0.5 };
    expect([...toDiffusion(spec, z)]).toEqual([-0.375, -0.125, 0.5]);
    expect([...fromDiffusion(spec, toDiffusion(spec, z))]).toEqual([...z]);
  });

  it('refuses images that have no whole latents, and says which have', async () => {
    await expect(openVaeEncoder(wasm, vae, { imageSize: 15 })).rejects.toThrow(
      /15 x 15 pixels cannot be encoded.*multiple of 2/,
    );
    const encoder = await openVaeEncoder(wasm, vae, { imageSize: 16 });
    await expect(encoder.encode(new Float32Array(700))).rejects.toThrow(/no whole number of images/);
    await encoder.dispose();
  });
});
