import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import type { InputSpec } from '../../src/engine/engine.js';
import type { FrozenWeights } from '../../src/engine/tensors.js';
import { tf } from '../../src/engine/tf.js';
import { UserError } from '../../src/errors.js';
import type { FeaturesFile } from '../../src/evaluate/featuresFile.js';
import { openOnnxFeatures } from '../../src/evaluate/onnxFeatures.js';
import type { ImageSize } from '../../src/evaluate/shownAs.js';
import { writeOnnx } from '../../src/trace/onnx.js';
import { trace } from '../../src/trace/trace.js';
import { scratch } from '../scratch.js';

const { path, put } = scratch();
type Shape = InputSpec['shape'];

interface Network {
  readonly shape?: Shape;
  readonly frozen?: FrozenWeights;
  /** More inputs. */
  readonly more?: Record<string, InputSpec>;
}

/** A network that gives all it is shown as features, its first two numbers as logits, and more. */
function network(file: string, { shape = ['batch', 3, 4, 4], frozen = {}, more = {} }: Network = {}): string {
  const size = shape.slice(1).reduce<number>((product, d) => product * Number(d), 1);
  const { graph } = trace(
    (_state, { x, y }, { w }) => {
      const flat = tf.reshape(x!, [shape[0] === 'batch' ? -1 : Number(shape[0]), size]);
      const first = tf.slice(flat, [0, 0], [-1, 2]);
      const out = { all: tf.add(flat, w ?? 0), first, whole: tf.neg(x!), places: tf.argMax(flat, -1) };
      return { state: {}, out: y ? { ...out, second: tf.neg(y) } : out };
    },
    { state: {}, batch: { x: { shape }, ...more }, frozen },
  );
  writeFileSync(path(file), writeOnnx(graph).model);
  return path(file);
}

const description: FeaturesFile = {
  format: 'exithead-features',
  version: 1,
  input: { name: 'batch/x', layout: 'NCHW', size: 4, channels: 'RGB' },
  resize: 'none',
  mean: [0.5],
  std: [0.5],
  features: 'out/all',
};

function described(onnx: string, more: object = {}): string {
  writeFileSync(onnx.replace('.onnx', '.json'), JSON.stringify({ ...description, ...more }));
  return onnx;
}

const grey: ImageSize = { channels: 1, imageSize: 4 };
const coloured: ImageSize = { channels: 3, imageSize: 4 };
/** Red, green and blue of 4 x 4 pixels: bytes 0 to 47. */
const ramp = Float32Array.from({ length: 48 }, (_, i) => i / 127.5 - 1);

async function seen(onnx: string, images: ImageSize, shown: Float32Array) {
  const extractor = await openOnnxFeatures(onnx, images);
  const all = await extractor.see(shown);
  await extractor.dispose();
  return { ...all, extractor };
}

describe('a network in an ONNX file', () => {
  it('is shown bytes in its range, three times where they are grey', async () => {
    const onnx = described(network('grey.onnx'), { mean: [0.25, 0.5, 0], std: [1, 0.5, 0.1] });
    const shown = new Float32Array(2 * 16).fill(-1).fill(51 / 127.5 - 1 + 0.001, 16);
    const { features, probabilities, extractor } = await seen(onnx, grey, shown);
    const expected = [-0.25, -1, 0, 0.2 - 0.25, -0.6, 2];
    expect([...features]).toBeAllClose(
      Array.from({ length: 96 }, (_, i) => expected[Math.floor(i / 16)]!),
      1e-6,
    );
    expect(probabilities).toBeUndefined();
    expect(extractor).toMatchObject({ name: onnx, width: 48, classes: 0 });
  });
  it.each([
    ['NCHW', 'RGB', (y: number, x: number, c: number) => 16 * c + 4 * y + x],
    ['NCHW', 'BGR', (y: number, x: number, c: number) => 16 * (2 - c) + 4 * y + x],
    ['NHWC', 'RGB', (y: number, x: number, c: number) => 12 * y + 3 * x + c],
    ['NHWC', 'BGR', (y: number, x: number, c: number) => 12 * y + 3 * x + 2 - c],
  ] as const)('is shown images as %s in %s', async (layout, channels, place) => {
    const shape: Shape = layout === 'NCHW' ? ['batch', 3, 4, 4] : ['batch', 4, 4, 3];
    const onnx = described(network(`${layout}${channels}.onnx`, { shape }), {
      ...{ input: { ...description.input, layout, channels }, mean: [0], std: [1 / 255] },
    });
    const { features } = await seen(onnx, coloured, ramp);
    const expected = new Float32Array(48);
    for (let c = 0; c < 3; c++)
      for (let y = 0; y < 4; y++) for (let x = 0; x < 4; x++) expected[place(y, x, c)] = 16 * c + 4 * y + x;
    expect(features).toBeAllClose(expected, 1e-5);
  });
  it.each([
    ['bilinear', [0, 64, 191, 255]],
    ['box', [0, 0, 255, 255]],
    // Catmull-Rom a quarter from one pixel and three from the other: 111 and 29 of 128, brought to a sum of 1.
    ['bicubic', [0, 53, 202, 255]],
  ])('is shown images enlarged, %s', async (resize, line) => {
    const onnx = described(network(`${resize}.onnx`), { resize, mean: [0], std: [1 / 255] });
    const { features } = await seen(onnx, { channels: 1, imageSize: 2 }, Float32Array.of(-1, 1, -1, 1));
    expect(features).toBeAllClose(
      Array.from({ length: 48 }, (_, i) => line[i % 4]!),
      1e-4,
    );
  });
  it('decides by the softmax of its logits, or says probabilities itself', async () => {
    const shown = Float32Array.from({ length: 32 }, (_, i) => (i === 1 || i === 16 ? 1 : -1));
    const logits = described(network('logits.onnx'), { decision: { output: 'out/first', holds: 'logits' } });
    const { probabilities, extractor } = await seen(logits, grey, shown);
    const low = 1 / (1 + Math.exp(2));
    expect(probabilities).toBeAllClose([low, 1 - low, 1 - low, low], 1e-6);
    expect(extractor.classes).toBe(2);
    const itself = described(network('probabilities.onnx'), {
      ...{ mean: [0], std: [1], decision: { output: 'out/first', holds: 'probabilities' } },
    });
    expect((await seen(itself, grey, shown)).probabilities).toEqual(Float32Array.of(0, 1, 1, 0));
  });
  it('sees the same in any number of images, one by one and in batches of its own size', async () => {
    const shown = Float32Array.from({ length: 16 * 67 }, (_, i) => ((i * 31) % 256) / 127.5 - 1);
    const any = await seen(described(network('any.onnx')), grey, shown);
    const two = await seen(described(network('two.onnx', { shape: [2, 3, 4, 4] })), grey, shown);
    expect(two.features).toEqual(any.features);
    const last = await seen(path('two.onnx'), grey, shown.slice(16 * 66));
    expect(last.features).toEqual(any.features.slice(48 * 66));
    expect((await seen(path('any.onnx'), grey, new Float32Array())).features).toHaveLength(0);
  });
  it('has a fingerprint that follows from its bytes and its description', async () => {
    const print = async (onnx: string): Promise<string> =>
      (await seen(onnx, grey, new Float32Array(16))).extractor.fingerprint;
    const first = await print(described(network('first.onnx')));
    expect(await print(described(network('copy.onnx')))).toBe(first);
    expect(await print(described(network('other.onnx'), { mean: [0.4] }))).not.toBe(first);
    const w = { shape: [48], data: new Float32Array(48) };
    expect(await print(described(network('weighted.onnx', { frozen: { w } })))).not.toBe(first);
  });
});

describe('what a network is said to be', () => {
  const input = (more: object) => ({ input: { ...description.input, ...more } });
  it.each<[string, object, ImageSize, string]>([
    ['another input', input({ name: 'x' }), grey, 'has no input "x", but "batch/x"'],
    ['other features', { features: 'pool' }, grey, 'has no output "pool", but "out/all", "out/first"'],
    ['another decision', { decision: { output: 'p', holds: 'logits' } }, grey, 'Correct decision.output'],
    ['another layout', input({ layout: 'NHWC' }), grey, 'it would be float32 [batch, 4, 4, 3]'],
    ['another size', { ...input({ size: 8 }), resize: 'box' }, grey, 'float32 [batch, 3, 8, 8]'],
    ['grey', input({ channels: 'grey' }), grey, 'float32 [batch, 1, 4, 4]'],
    ['grey for colours', input({ channels: 'grey' }), coloured, 'takes grey images, but these have 3'],
    ['for latents', {}, { channels: 4, imageSize: 4 }, 'these have 4 channels. Decode latents'],
    ['not to resize', {}, { channels: 1, imageSize: 8 }, 'says not to resize them'],
    ['of unpooled features', { features: 'out/whole' }, grey, 'is [1, 3, 4, 4] for 1 images'],
    ['of places as features', { features: 'out/places' }, grey, 'holds int32, expected float32'],
  ])('is checked against it: %s', async (_, more, images, reason) => {
    const opened = openOnnxFeatures(described(network('checked.onnx'), more), images);
    await expect(opened).rejects.toThrow(UserError);
    await expect(opened).rejects.toThrow(reason);
  });
  it('is for a number of images that memory holds', async () => {
    const onnx = described(network('crowd.onnx', { shape: [257, 3, 4, 4] }));
    await expect(openOnnxFeatures(onnx, grey)).rejects.toThrow('takes 257 images at once, at most 256');
  });
  it('is images alone', async () => {
    const onnx = described(network('second.onnx', { more: { y: { shape: ['batch', 1] } } }));
    await expect(openOnnxFeatures(onnx, grey)).rejects.toThrow(
      'takes "batch/x", "batch/y", expected images alone',
    );
  });
  it.each<[string, unknown, string]>([
    ['no JSON', '{', 'is not JSON'],
    ['another format', { format: 'exithead-schedule', version: 1 }, 'is not a description of features'],
    ['another version', { ...description, version: 2 }, 'of version 2'],
    ['unknown keys', { ...description, mena: [1] }, 'mena'],
    ['two means', { ...description, mean: [0, 0] }, 'has 2 numbers, expected 1 or the 3 of RGB'],
    ['a deviation of 0', { ...description, std: [0] }, 'must be above 0'],
    ['an endless size', { ...description, ...input({ size: 1e9 }) }, 'input.size'],
  ])('is refused with %s', async (_, content, reason) => {
    const onnx = network('described.onnx');
    put('described.json', content);
    await expect(openOnnxFeatures(onnx, grey)).rejects.toThrow(UserError);
    await expect(openOnnxFeatures(onnx, grey)).rejects.toThrow(reason);
  });
});

describe('a file that holds no sound network', () => {
  it.each<[string, (file: string) => void, string]>([
    ['is not there', () => undefined, 'cannot be read'],
    ['is a folder', (file) => mkdirSync(file), 'it is not a file'],
    ['is empty', (file) => writeFileSync(file, ''), 'is no network that onnxruntime runs'],
    ['is a text', (file) => writeFileSync(file, 'a'.repeat(999)), 'is no network that onnxruntime runs'],
    [
      'is cut short',
      (file) => writeFileSync(file, readFileSync(network('cut.onnx')).subarray(0, 200)),
      'is no network that onnxruntime runs',
    ],
  ])('is refused: it %s', async (what, make, reason) => {
    const file = path(`${what.replaceAll(' ', '-')}.onnx`);
    make(file);
    const opened = openOnnxFeatures(described(file), grey);
    await expect(opened).rejects.toThrow(UserError);
    await expect(opened).rejects.toThrow(reason);
  });
  it('is refused: its weights lie elsewhere', async () => {
    const weights = path('weights.bin');
    writeFileSync(weights, new Uint8Array(4 * 48));
    const w = { shape: [48], dtype: 'F32', path: weights, offset: 0, bytes: 4 * 48 } as const;
    const opened = openOnnxFeatures(described(network('outside.onnx', { frozen: { w } })), grey);
    await expect(opened).rejects.toThrow('its weight "frozen/w" lies in another file');
  });
  it('is refused: its weights are not finite', async () => {
    const w = { shape: [48], data: new Float32Array(48).fill(NaN) };
    const opened = openOnnxFeatures(described(network('nan.onnx', { frozen: { w } })), grey);
    await expect(opened).rejects.toThrow('its output out/all holds NaN for sound images');
  });
  it('sees nothing in images of another size, or that are not made of numbers', async () => {
    const extractor = await openOnnxFeatures(described(network('sound.onnx')), grey);
    await expect(extractor.see(new Float32Array(15))).rejects.toThrow('expected images of 1 x 4 x 4');
    await expect(extractor.see(new Float32Array(16).fill(NaN))).rejects.toThrow('image 0 holds NaN');
    await extractor.dispose();
  });
});
