import { cpSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fromBinary } from '@bufbuild/protobuf';
import { beforeAll, describe, expect, it } from '@jest/globals';
import * as ort from 'onnxruntime-node';
import type { BackboneSpec } from '../../src/backbones/backbone.js';
import { readOnnxGraphs, writeOnnxGraphs, type OnnxContents } from '../../src/bundle/onnx.js';
import type { OnnxManifest } from '../../src/bundle/onnxManifest.js';
import { openSafetensors } from '../../src/checkpoints/safetensors.js';
import { readTensors } from '../../src/checkpoints/stored.js';
import type { Feeds } from '../../src/engine/engine.js';
import { sizeOf, type Weights } from '../../src/engine/tensors.js';
import { UserError } from '../../src/errors.js';
import { openDenoiser } from '../../src/exits/denoiser.js';
import { headPlan, initialHeads, type HeadPlan } from '../../src/exits/heads.js';
import { exitInputs, exitMacs, exitStep, type StoredModel } from '../../src/exits/model.js';
import { stream } from '../../src/random.js';
import { ModelProtoSchema, TensorProto_DataLocation } from '../../src/trace/gen/onnx_pb.js';
import { fixturePath } from '../fixtures.js';
import { scratch } from '../scratch.js';
import { tinySpec } from '../tiny-dit.js';
import { tinyPixart } from '../tiny-pixart.js';
import { tinyUvit } from '../tiny-uvit.js';
import { livelyWeights, moved, onnx, spec } from '../training/tiny.js';

const { path } = scratch();

/** What is written of a model whose schedule runs these exits. */
function contentsOf(of: BackboneSpec, backbone: Weights, plans: readonly HeadPlan[], exits: readonly number[], heads: OnnxContents['model']['heads'] = {}): OnnxContents {
  return {
    model: { spec: of, backbone, plans, heads },
    diffusion: {
      ...{ prediction: 'epsilon', betas: 'linear', betaStart: 1e-3, betaEnd: 0.02, steps: of.timeSteps },
      ...{ timeAxis: 'discrete', guidance: 1.5, clip: true },
    },
    schedule: {
      ...{ backbone: 'a backbone', heads: 'some heads', exits: [...exits] },
      timesteps: exits.map((_, i) => exits.length - 1 - i),
    },
  };
} // prettier-ignore

const plans: readonly HeadPlan[] = [
  { kind: 'adapter', exit: 1, bottleneck: 4 },
  { kind: 'memory', exit: 2, bottleneck: 4 },
];
const backbone = livelyWeights();
const heads = moved(initialHeads(spec, plans, backbone, 1), 0.05);
const contents = contentsOf(spec, backbone, plans, [3, 2, 1, 3, 2], heads);
let manifest: OnnxManifest;

beforeAll(async () => {
  manifest = await writeOnnxGraphs(path('onnx'), contents);
});

/** Runs the graph of an exit, as a program would that knows the manifest alone. */
async function ran(folder: string, { graphs }: OnnxManifest, exit: number, feeds: Feeds): Promise<Record<string, Float32Array>> {
  const graph = graphs.find((one) => one.exit === exit);
  if (!graph) throw new Error(`no graph of exit ${exit}`);
  const samples = (feeds['t'] as Float32Array).length;
  const session = await ort.InferenceSession.create(join(folder, graph.file));
  const tensors = graph.inputs.map(({ name, dtype, shape }) => {
    const sizes = shape.map((d) => (d === 'batch' ? samples : d));
    const data = feeds[name];
    if (typeof data !== 'object' || data.length !== sizeOf(sizes)) throw new Error(`${name} is not fed`);
    return [name, new ort.Tensor(dtype, data, sizes)] as const;
  });
  const results = await session.run(Object.fromEntries(tensors));
  await session.release();
  for (const { name, shape } of graph.outputs)
    expect(results[name]?.dims).toEqual(shape.map((d) => (d === 'batch' ? samples : d)));
  return Object.fromEntries(Object.entries(results).map(([name, { data }]) => [name, data as Float32Array]));
} // prettier-ignore

describe('the ONNX graphs of a bundle', () => {
  it.each([1, 3])('predict what the denoiser does, at a batch of %d', async (samples) => {
    const denoiser = await openDenoiser(onnx, contents.model, [1, 2, 3], false);
    const trajectory = denoiser.begin();
    const y = Int32Array.from({ length: samples }, (_, i) => i + 1);
    let residual = new Float32Array();
    for (const [exit, t] of [[3, 90], [2, 70], [1, 40]] as const) {
      const x = stream(samples, 'x', exit).normals(samples * 64);
      const times = (at: number): Float32Array => new Float32Array(samples).fill(at);
      const found = await ran(path('onnx'), manifest, exit, { x, t: times(t), y, residual, tFull: times(90) });
      const expected = await trajectory.predict(exit, { x, t, y, guidance: 1 });
      expect(found['prediction']).toBeAllClose(expected, 1e-5);
      residual = (found['residual.2'] as Float32Array<ArrayBuffer> | undefined) ?? residual;
    }
    await denoiser.dispose();
  }); // prettier-ignore

  const [unled, plain] = [tinyUvit('uncond'), tinyUvit('cond', 'plain')];
  const pixart = tinyPixart('pixart');
  it.each([
    ['a U-ViT without classes', unled.spec, unled.weights, 3, ['x', 't']],
    ['a U-ViT without joined skips', plain.spec, plain.weights, 1, ['x', 't', 'y']],
    ['a PixArt', pixart.spec, pixart.weights, 1, ['x', 't', 'caption', 'captionMask']],
  ] as const)('are those of %s, too', async (name, of, weights, exit, inputs) => {
    const kept = [headPlan('remembered', exit)];
    const model: StoredModel = { spec: of, backbone: weights, plans: kept, heads: {} };
    const folder = path(name);
    const written = await writeOnnxGraphs(folder, contentsOf(of, weights, kept, [of.depth, exit]));
    expect(written.graphs.map((graph) => graph.inputs.map((input) => input.name))).toEqual([
      // A head that only adds what it remembers does not look at the times.
      [...inputs, 'residual'],
      [...inputs],
    ]);
    for (const at of [exit, of.depth]) {
      const batch = exitInputs(model, at, false);
      const step = exitStep(model, at, false, [exit]);
      const compiled = await onnx.compile(step, { state: {}, batch, frozen: weights });
      const feeds = Object.fromEntries(
        Object.entries(batch).map(([input, { shape, dtype }]) => {
          const size = sizeOf(shape.map((d) => (d === 'batch' ? 2 : d)));
          const isWhole = dtype === 'int32' || input === 'captionMask';
          return [input, isWhole ? (dtype === 'int32' ? new Int32Array(size) : new Float32Array(size).fill(1)) : stream(1, input).normals(size)];
        }),
      ); // prettier-ignore
      const found = await ran(folder, written, at, feeds);
      const expected = await compiled(feeds);
      expect(Object.keys(found).sort()).toEqual(Object.keys(expected).sort());
      for (const [result, { data }] of Object.entries(expected))
        expect(found[result]).toBeAllClose(data, 1e-5);
      await compiled.dispose();
    }
  });

  it('hold every weight that they read once, whichever of them read it', async () => {
    const { tensors } = await openSafetensors(path('onnx/weights.safetensors'));
    // Exit 2 is the deepest that runs of these: what lies after it is not there.
    const shallow = await writeOnnxGraphs(path('shallow'), contentsOf(spec, backbone, plans, [1], heads));
    const { tensors: few } = await openSafetensors(path('shallow/weights.safetensors'));
    expect(Object.keys(few).filter((name) => /^(blocks\.[12]|final_layer|exits\.2)\./.test(name))).toEqual([]);
    expect(shallow.graphs.map(({ exit }) => exit)).toEqual([1]);
    expect(await readTensors(tensors)).toEqual({ ...backbone, ...heads });
    for (const { file } of manifest.graphs) {
      const { graph, opsetImport } = fromBinary(ModelProtoSchema, readFileSync(path(`onnx/${file}`)));
      expect(opsetImport.map(({ domain, version }) => [domain, Number(version)])).toEqual([['', manifest.opset]]);
      for (const { name, dataLocation, externalData, rawData } of graph?.initializer ?? []) {
        const stored = tensors[name];
        if (!stored) {
          // Constants are small.
          expect(rawData.length).toBeLessThan(1024);
          continue;
        }
        expect(dataLocation).toBe(TensorProto_DataLocation.EXTERNAL);
        expect(Object.fromEntries(externalData.map(({ key, value }) => [key, value]))).toEqual({
          location: 'weights.safetensors',
          offset: String(stored.offset),
          length: String(stored.bytes),
        });
      }
    }
  }); // prettier-ignore

  it('keep weights in half precision as they are', async () => {
    const { tensors } = await openSafetensors(fixturePath('dit/model_bf16.safetensors'));
    const half = contentsOf(tinySpec, tensors, [headPlan('shared', 2)], [2]);
    const written = await writeOnnxGraphs(path('half'), half);
    const { tensors: copied } = await openSafetensors(path('half/weights.safetensors'));
    expect(new Set(Object.values(copied).map(({ dtype }) => dtype))).toEqual(new Set(['BF16']));
    const x = stream(1, 'x').normals(2 * tinySpec.channels * tinySpec.imageSize ** 2);
    const y = Int32Array.of(0, 1);
    const denoiser = await openDenoiser(onnx, half.model, [2], false);
    const { prediction } = await ran(path('half'), written, 2, { x, t: Float32Array.of(500, 500), y });
    expect(prediction).toBeAllClose(await denoiser.begin().predict(2, { x, t: 500, y, guidance: 1 }), 1e-5);
    await denoiser.dispose();
  });
});

describe('the manifest of ONNX graphs', () => {
  it('says all that a sampler needs, and is read as it was written', async () => {
    expect(await readOnnxGraphs(path('onnx'))).toEqual(manifest);
    expect(manifest).toMatchObject({
      sample: [1, 8, 8],
      guidance: { scale: 1.5, none: 4 },
      diffusion: { prediction: 'epsilon', learnedVariance: false, steps: 100, clip: true },
      schedule: { timesteps: [4, 3, 2, 1, 0], exits: [3, 2, 1, 3, 2] },
    });
    expect(manifest.diffusion.alphasCumprod[0]).toBeCloseTo(1 - 1e-3, 12);
    const [, memory, full] = manifest.graphs;
    expect(manifest.graphs.map(({ exit, kind }) => `${exit} ${kind}`)).toEqual([
      '1 adapter',
      '2 memory',
      '3 backbone',
    ]);
    expect(memory?.macs).toBe(exitMacs(contents.model, 2));
    expect(memory?.inputs.map(({ name }) => name)).toEqual(['x', 't', 'y', 'residual', 'tFull']);
    expect(full?.outputs).toEqual([
      { name: 'prediction', dtype: 'float32', shape: ['batch', 1, 8, 8], meaning: 'prediction, not guided' },
      expect.objectContaining({ name: 'residual.2', shape: ['batch', spec.tokens, spec.width], exit: 2 }),
    ]);
    const files = readdirSync(path('onnx')).filter((name) => name !== 'manifest.json');
    const named = [manifest.weights, ...manifest.graphs];
    expect(named.map(({ file }) => file).sort()).toEqual(files.sort());
    for (const { file, bytes } of named) expect(statSync(path(`onnx/${file}`)).size).toBe(bytes);
  });

  it('says how and when guidance is on, and has the exits of the half that asks for nothing', async () => {
    const { diffusion, schedule, model } = contentsOf(spec, backbone, plans, [3, 3], heads);
    const written = await writeOnnxGraphs(path('apart'), {
      model,
      diffusion: { ...diffusion, guidanceChannels: 1, guidanceInterval: [10, 80] },
      schedule: { ...schedule, unconditional: [3, 1] },
    });
    expect(await readOnnxGraphs(path('apart'))).toEqual(written);
    expect(written.graphs.map(({ exit }) => exit)).toEqual([1, 3]);
    expect(written.guidance).toEqual({ scale: 1.5, channels: 1, interval: [10, 80], none: 4 });
    expect(written.schedule.unconditional).toEqual([3, 1]);
    expect(manifest.guidance).toEqual({ scale: 1.5, channels: 1, none: 4 });
  });

  it.each<[string, (json: OnnxManifest) => unknown, RegExp]>([
    ['another format', (json) => ({ ...json, format: 'onnx' }), /is not a manifest of ONNX graphs/],
    ['a later version', (json) => ({ ...json, version: 2 }), /version 2, and this exithead reads version 1/],
    ['a path upwards', (json) => ({ ...json, weights: { ...json.weights, file: '../x' } }), /weights\.file: must be the name/],
    ['a path below', (json) => ({ ...json, weights: { ...json.weights, file: 'a/x' } }), /weights\.file: must be the name/],
    ['an exit without a graph', (json) => ({ ...json, graphs: json.graphs.slice(1) }), /schedule\.exits\.2: is 1, which has no graph/],
    ['a half without graphs', (json) => ({ ...json, schedule: { ...json.schedule, unconditional: [9] } }), /unconditional: has 1 entries for 5 timesteps[^]*unconditional\.0: is 9, which has no graph/],
    ['graphs out of order', (json) => ({ ...json, graphs: json.graphs.toReversed() }), /list them ascending/],
    ['a file twice', (json) => ({ ...json, graphs: json.graphs.map((graph) => ({ ...graph, file: 'a' })) }), /name a file twice/],
    ['constants of other steps', (json) => ({ ...json, diffusion: { ...json.diffusion, steps: 7 } }), /has 100 entries for 7 steps/],
    ['noise that falls', (json) => ({ ...json, diffusion: { ...json.diffusion, alphasCumprod: json.diffusion.alphasCumprod.toReversed() } }), /does not fall/],
    ['steps that rise', (json) => ({ ...json, schedule: { ...json.schedule, timesteps: [0, 1, 2, 3, 4] } }), /from noise to data/],
    ['a file that is not there', (json) => ({ ...json, weights: { ...json.weights, file: 'other' } }), /other is missing/],
    ['other bytes', (json) => ({ ...json, weights: { ...json.weights, bytes: 1 } }), /is not the file that was exported/],
  ])('is refused with %s', async (_, change, message) => {
    const folder = path('bad');
    cpSync(path('onnx'), folder, { recursive: true });
    writeFileSync(join(folder, 'manifest.json'), JSON.stringify(change(manifest)));
    await expect(readOnnxGraphs(folder)).rejects.toThrow(UserError);
    await expect(readOnnxGraphs(folder)).rejects.toThrow(message);
    rmSync(folder, { recursive: true });
  }); // prettier-ignore
});
