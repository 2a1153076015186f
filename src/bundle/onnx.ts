// How does a bundle run where there is no exithead? One ONNX graph for each exit in use, and what to know of them.
import { createHash } from 'node:crypto';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { openSafetensors, copySafetensors } from '../checkpoints/safetensors.js';
import { readPieces } from '../checkpoints/stored.js';
import type { BackboneSpec } from '../backbones/backbone.js';
import { diffusion } from '../diffusion/betas.js';
import type { Weights } from '../engine/tensors.js';
import { UserError } from '../errors.js';
import { isFile, makeFolder } from '../files/disk.js';
import { writeFileAtomic } from '../files/write.js';
import { channelsOf } from '../exits/guided.js';
import { exitInputs, exitStep, isRemembering, type StoredModel } from '../exits/model.js';
import { readJsonFile, writeJsonFile } from '../files/jsonFile.js';
import type { Schedule } from '../schedules/schedule.js';
import type { Value } from '../trace/graph.js';
import { opset, writeOnnx } from '../trace/onnx.js';
import { plainAttention } from '../trace/plainAttention.js';
import { plainNames } from '../trace/plainNames.js';
import { outline, trace } from '../trace/trace.js';
import type { BundleDiffusion } from './description.js';
import { onnxManifestFormat, type OnnxGraph, type OnnxManifest, type OnnxPort } from './onnxManifest.js';

/** The folder of the graphs in a bundle. */
export const onnxFolder = 'onnx';
/** What describes that folder. */
export const onnxManifestFile = 'manifest.json';
const weightsFile = 'weights.safetensors';

/** Whether a path in a bundle is that of a file that `writeOnnxGraphs` writes there. */
export function isOnnxFile(path: string): boolean {
  return /^onnx\/(exit-\d+\.onnx|manifest\.json|weights\.safetensors)$/.test(path);
}

export interface OnnxContents {
  /** Its backbone in single precision, or in half precision if it is stored so. */
  readonly model: StoredModel;
  readonly diffusion: BundleDiffusion;
  readonly schedule: Pick<Schedule, 'backbone' | 'heads' | 'timesteps' | 'exits' | 'unconditional'>;
}

/**
 * Writes the graphs of the exits that a schedule runs: each takes x, t and what is asked for, and gives the prediction,
 * unguided. Exits that remember also take the residual of their exit and tFull, and exit L gives a residual for each of
 * them. Operators are those of the standard alone. All weights lie once in one file, which every graph points into.
 * @param folder made if it is missing
 * @throws UserError if the disk refuses it, or a file of the weights has changed
 */
export async function writeOnnxGraphs(folder: string, contents: OnnxContents): Promise<OnnxManifest> {
  const { model, schedule } = contents;
  const { spec, plans } = model;
  const used = [...schedule.exits, ...(schedule.unconditional ?? [])];
  const exits = [...new Set(used)].toSorted((a, b) => a - b);
  const kept = exits.filter((exit) => isRemembering(plans, exit));
  const steps = exits.map((exit) => ({
    exit,
    step: exitStep(model, exit, false, kept),
    batch: exitInputs(model, exit, false),
  }));
  await makeFolder(folder);
  const all: Weights = { ...model.backbone, ...model.heads };
  const read = new Set(
    steps.flatMap(({ step, batch }) => outline(step, { state: {}, batch, frozen: all }).frozen),
  );
  const weights = Object.fromEntries(Object.entries(all).filter(([name]) => read.has(name)));
  await copySafetensors(join(folder, weightsFile), weights, { format: 'pt' });
  const { tensors: frozen } = await openSafetensors(join(folder, weightsFile));

  const graphs: OnnxGraph[] = [];
  for (const { exit, step, batch } of steps) {
    const { graph } = trace(step, { state: {}, batch, frozen });
    plainAttention(graph);
    plainNames(graph);
    const file = `exit-${exit}.onnx`;
    await writeFileAtomic(join(folder, file), writeOnnx(graph).model);
    const reads = new Set(graph.live().flatMap(({ inputs }) => inputs));
    const plan = plans.find((one) => one.exit === exit);
    graphs.push({
      ...{ exit, kind: plan?.kind ?? 'backbone', macs: graph.macsPerSample() },
      ...(await sealed(folder, file)),
      inputs: graph.inputs
        .filter((value) => reads.has(value))
        .map((value) => portOf(spec, value, graph.sentinel)),
      outputs: graph.outputs.map((value) => portOf(spec, value, graph.sentinel)),
    });
  }
  const manifest = describe(contents, graphs, await sealed(folder, weightsFile));
  await writeJsonFile(join(folder, onnxManifestFile), onnxManifestFormat, manifest);
  return manifest;
}

/**
 * Reads the manifest of a folder and holds every file against it.
 * @throws UserError naming the file that is missing or not the one that was exported
 */
export async function readOnnxGraphs(folder: string): Promise<OnnxManifest> {
  const manifest = await readJsonFile(join(folder, onnxManifestFile), onnxManifestFormat);
  for (const { file, bytes, sha256 } of [manifest.weights, ...manifest.graphs]) {
    const path = join(folder, file);
    if (!(await isFile(path))) throw new UserError(`${path} is missing. ${onnxManifestFormat.remedy}`);
    const found = await sealed(folder, file);
    if (found.bytes !== bytes || found.sha256 !== sha256)
      throw new UserError(
        `${path} has ${found.bytes} bytes of SHA-256 ${found.sha256}, expected ${bytes} of ${sha256}: it is not the file ` +
          'that was exported. Export the bundle again.',
      );
  }
  return manifest;
}

async function sealed(folder: string, file: string): Promise<OnnxManifest['weights']> {
  const path = join(folder, file);
  const { size: bytes } = await stat(path);
  const hash = createHash('sha256');
  for await (const piece of readPieces({ path, offset: 0, bytes }, 4 * 2 ** 20)) hash.update(piece);
  return { file, bytes, sha256: hash.digest('hex') };
}

function describe(
  { model: { spec }, diffusion: settings, schedule }: OnnxContents,
  graphs: OnnxManifest['graphs'],
  weights: OnnxManifest['weights'],
): OnnxManifest {
  const { prediction, clip, guidance: scale, guidanceInterval: interval } = settings;
  const { alphasCumprod, steps } = diffusion(settings);
  const none = spec.conditioning === 'classes' && spec.nullClass ? { none: spec.classes } : {};
  return {
    format: 'exithead-onnx',
    version: 1,
    backbone: { size: spec.size, fingerprint: schedule.backbone },
    heads: schedule.heads,
    opset,
    sample: [spec.channels, spec.imageSize, spec.imageSize],
    diffusion: {
      ...{ prediction, steps, clip },
      learnedVariance: spec.outChannels > spec.channels,
      alphasCumprod: [...alphasCumprod],
    },
    guidance: {
      ...{ scale, channels: channelsOf(settings) ?? spec.channels },
      ...(interval && { interval: [...interval] }),
      ...none,
    },
    schedule: {
      ...{ timesteps: [...schedule.timesteps], exits: [...schedule.exits] },
      ...(schedule.unconditional && { unconditional: [...schedule.unconditional] }),
    },
    ...{ weights, graphs },
  };
}

function portOf(spec: BackboneSpec, { name, dtype, shape }: Value, sentinel: number): OnnxPort {
  if (dtype !== 'float32' && dtype !== 'int32') throw new Error(`onnx: ${name} is of ${dtype}`);
  const [, exit] = /^residual\.(\d+)$/.exec(name) ?? [];
  return {
    ...{ name, dtype },
    shape: shape.map((d) => (d === sentinel ? 'batch' : d)),
    meaning: meaningOf(spec, exit === undefined ? name : 'residual.'),
    ...(exit !== undefined && { exit: Number(exit) }),
  };
}

/** Of an input or result, for a reader who knows diffusion and not exithead. */
function meaningOf(spec: BackboneSpec, name: string): string {
  switch (name) {
    case 'x':
      return 'noisy samples';
    case 't':
      return 'diffusion step of each sample, 0 (data) to T - 1 (noise)';
    case 'y':
      return `class of each sample${spec.conditioning === 'classes' && spec.nullClass ? `; ${spec.classes} asks for nothing` : ''}`;
    case 'caption':
      return 'embedded caption of each sample, padded to this many tokens';
    case 'captionMask':
      return '1 where a token of the caption counts, else 0';
    case 'residual':
      return 'what exit L gave as the residual of this exit at the last full-depth step, for the same samples';
    case 'tFull':
      return 'diffusion step of that full-depth step';
    case 'prediction':
      return 'prediction, not guided';
    case 'residual.':
      return 'to be kept for the exit named here until the next full-depth step';
    default:
      throw new Error(`onnx: nothing is known of ${name}`);
  }
}
