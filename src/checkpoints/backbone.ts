// Which backbone does a path hold? Finds its spec and its weights, and checks that they belong together.
import { readFile, realpath, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { BackboneSpec, ExitRule } from '../backbones/backbone.js';
import { recognise } from '../backbones/recognise.js';
import { publishedSize, readSpec, withExitRule } from '../backbones/spec.js';
import { isStored, type Weights } from '../engine/tensors.js';
import { messageOf, unreachable, UserError } from '../errors.js';
import { fingerprintOf } from './fingerprint.js';
import { finiteCheck } from './finite.js';
import { parametersOf } from './parameters.js';
import { openSafetensors } from './safetensors.js';
import { openTorch, readStart, torchFormat, type WeightsChoice } from './torch.js';

/** Where a backbone is: the section `backbone` of a config. */
export interface BackboneSource {
  /** A .safetensors, .pt or .pth file, or a folder with config.json and model.safetensors or model.pt. */
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
  /** Of exactly these weights, see fingerprint.ts. */
  readonly fingerprint: string;
  /** The path that was given. */
  readonly source: string;
}

export const configFile = 'config.json';
export const weightsFile = 'model.safetensors';
/** In the order in which a folder is searched. */
const weightsFiles = [weightsFile, 'model.pt', 'nnet_ema.pth'];
const mostConfigBytes = 2 ** 20;

/**
 * Opens a backbone: every parameter is there in its shape, and every number is finite. The file is read once, in
 * pieces, and not kept.
 * @throws UserError saying what is missing or wrong, and what to give
 */
export async function openBackbone(source: BackboneSource): Promise<OpenedBackbone> {
  const file = await weightsPath(source.path);
  const described = await descriptionOf(source, file);
  const { tensors, others } = await openTensors(file, source.weights);
  const { spec: found, reason } = described ?? fromTensors(file, tensors);
  const spec = source.exitRule === undefined ? found : withExitRule(found, source.exitRule);
  const weights = await atRealPath(file, parametersOf(file, spec, tensors, others));
  const finite = finiteCheck();
  const fingerprint = await fingerprintOf(weights, finite.see);
  finite.require(file);
  return { spec, reason, weights, fingerprint, source: source.path };
}

async function weightsPath(path: string): Promise<string> {
  const kind = await kindOf(path);
  switch (kind) {
    case 'file':
      return path;
    case 'folder':
      for (const name of weightsFiles)
        if ((await kindOf(join(path, name))) === 'file') return join(path, name);
      throw new UserError(
        `${path} holds no ${weightsFiles.join(' or ')}. Give a folder that does, or the path of the weights themselves.`,
      );
    case 'other':
    case 'nothing':
      throw new UserError(
        `${path} is ${kind === 'nothing' ? 'not there' : 'neither a file nor a folder'}. Give a .safetensors, .pt or .pth ` +
          `file, or a folder with ${configFile} and ${weightsFile}.`,
      );
  }
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
  const start = await readStart(file);
  const isSafetensors = start[8] === '{'.charCodeAt(0);
  if (!isSafetensors && (torchFormat(start) !== undefined || /\.(pt|pth)$/i.test(file)))
    return openTorch(file, choice);
  if (!isSafetensors && !/\.safetensors$/i.test(file))
    throw new UserError(
      `${file} holds no weights: expected a .safetensors file, or a .pt or .pth file of PyTorch. Give one of those.`,
    );
  const opened = await openSafetensors(file);
  if (choice !== 'auto')
    throw new UserError(
      `${file} holds one set of weights, so there is no ${choice} to choose. Set weights to auto.`,
    );
  return opened;
}

/** onnxruntime refuses to map weights through a link that leads out of its folder, as those of download caches do. */
async function atRealPath(file: string, weights: Weights): Promise<Weights> {
  const path = await realpath(file);
  const entries = Object.entries(weights);
  return Object.fromEntries(
    entries.map(([name, weight]) => [name, isStored(weight) ? { ...weight, path } : weight]),
  );
}

async function kindOf(path: string): Promise<'file' | 'folder' | 'other' | 'nothing'> {
  const entry = await stat(path).catch(() => undefined);
  if (!entry) return 'nothing';
  if (entry.isFile()) return 'file';
  return entry.isDirectory() ? 'folder' : 'other';
}
