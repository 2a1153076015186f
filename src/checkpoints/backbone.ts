// Which backbone does a path hold? Finds its spec and its weights, and checks that they belong together.
import { readFile, realpath, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { BackboneSpec, ExitRule } from '../backbones/backbone.js';
import { asInDiffusers } from '../backbones/ditDiffusers.js';
import type { Layout } from '../backbones/layout.js';
import { recognise } from '../backbones/recognise.js';
import { publishedSize, readSpec, withExitRule } from '../backbones/spec.js';
import { isStored, type Weight, type Weights } from '../engine/tensors.js';
import { messageOf, unreachable, UserError } from '../errors.js';
import { fingerprintOf } from './fingerprint.js';
import { finiteCheck } from './finite.js';
import { laidOut, nameIn } from './laidOut.js';
import { parametersOf } from './parameters.js';
import { openSafetensors } from './safetensors.js';
import { indexEnding, openShards } from './shards.js';
import { openTorch, type WeightsChoice } from './torch.js';
import { readStart, torchFormat } from './torchArchive.js';

/** Where a backbone is: the section `backbone` of a config. */
export interface BackboneSource {
  /**
   * A .safetensors, .pt or .pth file, the index of several .safetensors, or a folder with config.json and one of those
   * under its usual name, as official code or diffusers write it.
   */
  readonly path: string;
  /** Which weights of a .pt file; files of one set of weights know only `auto`. */
  readonly weights: WeightsChoice;
  /** Path of its config.json; unless given, the one beside the weights. */
  readonly config?: string | undefined;
  /** Published size such as `DiT-XL/2` or `U-ViT-H/2`, instead of a config.json. */
  readonly size?: string | undefined;
  /** With `size`: side of the input in latents. */
  readonly imageSize?: number | undefined;
  /** What leaving a U-ViT early keeps of its skips; unless given, what config.json says. */
  readonly exitRule?: ExitRule | undefined;
  /** What it is, where that is known from elsewhere, as a bundle knows it; no config.json is read then. */
  readonly spec?: BackboneSpec | undefined;
}

export interface OpenedBackbone {
  readonly spec: BackboneSpec;
  /** Where the spec is from, in words. */
  readonly reason: string;
  /** Its parameters under the official names, and nothing else; they stay in the file. */
  readonly weights: Weights;
  /** Names of what else the file holds, such as buffers that some forks of a model save. */
  readonly leftOut: readonly string[];
  /** Whose names the file uses. */
  readonly layout: Layout;
  /** Blocks of a DiT in the layout of diffusers whose embedders differ from the first block's. */
  readonly ownEmbedders: readonly number[];
  /** Of exactly these weights, see fingerprint.ts. */
  readonly fingerprint: string;
  /** The path that was given. */
  readonly source: string;
}

export const configFile = 'config.json';
export const weightsFile = 'model.safetensors';
/** What diffusers call it. */
export const diffusersFile = 'diffusion_pytorch_model.safetensors';
/** In the order in which a folder is searched. */
const weightsFiles = [
  weightsFile,
  `model${indexEnding}`,
  diffusersFile,
  `diffusion_pytorch_model${indexEnding}`,
  'model.pt',
  'nnet_ema.pth',
  'diffusion_pytorch_model.bin',
];
const mostConfigBytes = 2 ** 20;

/**
 * Opens a backbone: every parameter is there in its shape, and every number is finite. The file is read once, in
 * pieces, and not kept.
 * @throws UserError saying what is missing or wrong, and what to give
 */
export async function openBackbone(source: BackboneSource): Promise<OpenedBackbone> {
  const file = await weightsPath(source.path);
  const described = await descriptionOf(source, file);
  const opened = await openTensors(file, source.weights);
  const { tensors, layout, ownEmbedders } = await laidOut(opened.tensors);
  const { spec: told, reason } = described ?? fromTensors(file, tensors);
  const found = source.spec === undefined ? withLayout(told, layout, ownEmbedders, source) : told;
  const spec = source.exitRule === undefined ? found : withExitRule(found, source.exitRule);
  const named = (name: string): string => nameIn(layout, name);
  const fitting = parametersOf(file, spec, tensors, opened.others, named);
  const weights = await atRealPaths(fitting.weights);
  const finite = finiteCheck();
  const fingerprint = await fingerprintOf(weights, finite.see);
  finite.require(file);
  const { leftOut } = fitting;
  return { spec, reason, weights, leftOut, layout, ownEmbedders, fingerprint, source: source.path };
}

/** What a size leaves open and a config.json of diffusers does not say: what the layout of the file implies. */
function withLayout(
  spec: BackboneSpec,
  layout: Layout,
  ownEmbedders: readonly number[],
  { size }: BackboneSource,
): BackboneSpec {
  if (layout === 'official' || spec.family !== 'dit') return spec;
  const own = size === undefined ? spec : asInDiffusers(spec);
  return { ...own, embedders: ownEmbedders.length > 0 ? 'per-block' : 'shared' };
}

async function weightsPath(path: string): Promise<string> {
  const kind = await kindOf(path);
  switch (kind) {
    case 'file':
      return path;
    case 'folder':
      for (const name of weightsFiles)
        if ((await kindOf(join(path, name))) === 'file') return join(path, name);
      throw new UserError(`${path} holds none of ${weightsFiles.join(', ')}. ${await folderHint(path)}`);
    case 'other':
    case 'nothing':
      throw new UserError(
        `${path} is ${kind === 'nothing' ? 'not there' : 'neither a file nor a folder'}. Give a .safetensors, .pt or .pth ` +
          `file, or a folder with ${configFile} and ${weightsFile}.`,
      );
  }
}

async function folderHint(path: string): Promise<string> {
  return (await kindOf(join(path, 'model_index.json'))) === 'file'
    ? `It is a pipeline of diffusers: give ${join(path, 'transformer')}.`
    : 'Give a folder that holds one, or the path of the weights themselves.';
}

type Described = Pick<OpenedBackbone, 'spec' | 'reason'>;

/** What the source says of the backbone, or the config.json beside it; undefined if neither does. */
async function descriptionOf(
  { config, size, imageSize, spec }: BackboneSource,
  file: string,
): Promise<Described | undefined> {
  if (spec !== undefined) return { spec, reason: 'its bundle says so' };
  if (config !== undefined && size !== undefined)
    throw new UserError(`backbone: both config (${config}) and size (${size}) are given. Give one of them.`);
  if (imageSize !== undefined && size === undefined)
    throw new UserError(
      `backbone: imageSize (${imageSize}) goes with size, and a config.json has its own. Remove it, or give size.`,
    );
  if (size !== undefined)
    return {
      spec: publishedSize(size, imageSize === undefined ? {} : { input_size: imageSize }),
      reason: `asked for as ${size}, and its tensors fit`,
    };
  const path = config ?? join(dirname(file), configFile);
  if (config === undefined && (await kindOf(path)) === 'nothing') return undefined;
  return { spec: readSpec(await readConfig(path), path), reason: `${path} says so, and its tensors fit` };
}

/** @throws UserError if the tensors do not show what they are */
function fromTensors(file: string, tensors: Weights): Described {
  const recognised = recognise(tensors);
  switch (recognised.kind) {
    case 'known':
      return recognised;
    case 'unknown':
      throw new UserError(
        `what ${file} holds is not known: there is no ${configFile} beside it, and ${recognised.reason}. Put it ` +
          'there, or give its path as config, or give a published size such as DiT-XL/2 as size.',
      );
    default:
      return unreachable(recognised);
  }
}

async function readConfig(path: string): Promise<unknown> {
  try {
    const entry = await stat(path);
    if (!entry.isFile() || entry.size > mostConfigBytes)
      throw new Error(`it is no file of at most ${mostConfigBytes} bytes`);
    return JSON.parse(await readFile(path, 'utf8'));
  } catch (error) {
    throw new UserError(
      `${path} cannot be read as JSON (${messageOf(error)}). Give the config.json of the backbone.`,
    );
  }
}

interface Opened {
  readonly tensors: Weights;
  readonly others: Readonly<Record<string, string>>;
}

/** The content decides what a file is; its name only where the content is neither. */
async function openTensors(file: string, choice: WeightsChoice): Promise<Opened> {
  if (file.endsWith('.index.json')) return oneSet(file, choice, await openShards(file));
  const start = await readStart(file);
  const isSafetensors = start[8] === '{'.charCodeAt(0);
  if (!isSafetensors && (torchFormat(start) !== undefined || /\.(pt|pth)$/i.test(file)))
    return openTorch(file, choice);
  if (!isSafetensors && !/\.safetensors$/i.test(file))
    throw new UserError(
      `${file} holds no weights: expected a .safetensors file, or a .pt or .pth file of PyTorch. Give one of those.`,
    );
  return oneSet(file, choice, await openSafetensors(file));
}

function oneSet(file: string, choice: WeightsChoice, opened: Opened): Opened {
  if (choice !== 'auto')
    throw new UserError(
      `${file} holds one set of weights, so there is no ${choice} to choose. Set weights to auto.`,
    );
  return opened;
}

/** onnxruntime refuses to map weights through a link that leads out of its folder, as those of download caches do. */
async function atRealPaths(weights: Weights): Promise<Weights> {
  const real = new Map<string, string>();
  const entries: (readonly [string, Weight])[] = [];
  for (const [name, weight] of Object.entries(weights)) {
    if (!isStored(weight)) {
      entries.push([name, weight]);
      continue;
    }
    const path = real.get(weight.path) ?? (await realpath(weight.path));
    real.set(weight.path, path);
    entries.push([name, { ...weight, path }]);
  }
  const folders = [...new Set([...real.values()].map((path) => dirname(path)))];
  if (folders.length > 1)
    throw new UserError(
      `the weights lie in several folders behind links (${folders.join(', ')}), but can be mapped from one alone. ` +
        'Put the files themselves into one folder.',
    );
  return Object.fromEntries(entries);
}

async function kindOf(path: string): Promise<'file' | 'folder' | 'other' | 'nothing'> {
  const entry = await stat(path).catch(() => undefined);
  if (!entry) return 'nothing';
  if (entry.isFile()) return 'file';
  return entry.isDirectory() ? 'folder' : 'other';
}
