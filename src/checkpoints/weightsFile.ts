// Where do the weights of a model lie, and which tensors are there? Whatever the model is, and whoever wrote the file.
import { readFile, realpath, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { isStored, type Weight, type Weights } from '../engine/tensors.js';
import { messageOf, UserError } from '../errors.js';
import { located, type Located } from '../hub/located.js';
import { openSafetensors } from './safetensors.js';
import { indexEnding, openShards, shardNames } from './shards.js';
import { openTorch, type WeightsChoice } from './torch.js';
import { readStart, torchFormat } from './torchArchive.js';

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

/** Folder that such a model has in a pipeline of diffusers. */
export type Part = 'transformer' | 'vae';

/**
 * The path of a model. Of a source on the hub, its config.json and weights are fetched first, unless they are cached.
 * @param source a path, or `hf://owner/name[@revision][/file-or-folder]`
 * @throws UserError if it cannot be fetched
 */
export function locatedModel(source: string, part: Part): Promise<Located> {
  return located(source, {
    ...{ weights: weightsFiles, beside: [configFile], part },
    partsOf: async (path) => (path.endsWith(indexEnding) ? shardNames(path) : []),
  });
}

/**
 * The file of the weights: the one given, or the usual one of a folder.
 * @throws UserError if there is none
 */
export async function weightsPath(path: string, part: Part): Promise<string> {
  const kind = await kindOf(path);
  switch (kind) {
    case 'file':
      return path;
    case 'folder':
      for (const name of weightsFiles)
        if ((await kindOf(join(path, name))) === 'file') return join(path, name);
      throw new UserError(
        `${path} holds none of ${weightsFiles.join(', ')}. ${await folderHint(path, part)}`,
      );
    case 'other':
    case 'nothing':
      throw new UserError(
        `${path} is ${kind === 'nothing' ? 'not there' : 'neither a file nor a folder'}. Give a .safetensors, .pt or .pth ` +
          `file, or a folder with ${configFile} and ${weightsFile}.`,
      );
  }
}

async function folderHint(path: string, part: string): Promise<string> {
  return (await kindOf(join(path, 'model_index.json'))) === 'file'
    ? `It is a pipeline of diffusers: give ${join(path, part)}.`
    : 'Give a folder that holds one, or the path of the weights themselves.';
}

/** What a config.json says. @throws UserError if it cannot be read as JSON */
export async function readConfig(path: string): Promise<unknown> {
  try {
    const entry = await stat(path);
    if (!entry.isFile() || entry.size > mostConfigBytes)
      throw new Error(`it is no file of at most ${mostConfigBytes} bytes`);
    return JSON.parse(await readFile(path, 'utf8'));
  } catch (error) {
    throw new UserError(
      `${path} cannot be read as JSON (${messageOf(error)}). Give the config.json of the model.`,
    );
  }
}

/** The tensors of a file, wherever their numbers lie. */
export interface OpenedTensors {
  readonly tensors: Weights;
  readonly others: Readonly<Record<string, string>>;
}

/** The content decides what a file is; its name only where the content is neither. */
export async function openTensors(file: string, choice: WeightsChoice): Promise<OpenedTensors> {
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

function oneSet(file: string, choice: WeightsChoice, opened: OpenedTensors): OpenedTensors {
  if (choice !== 'auto')
    throw new UserError(
      `${file} holds one set of weights, so there is no ${choice} to choose. Set weights to auto.`,
    );
  return opened;
}

/** onnxruntime refuses to map weights through a link that leads out of its folder, as those of download caches do. */
export async function atRealPaths(weights: Weights): Promise<Weights> {
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

export async function kindOf(path: string): Promise<'file' | 'folder' | 'other' | 'nothing'> {
  const entry = await stat(path).catch(() => undefined);
  if (!entry) return 'nothing';
  if (entry.isFile()) return 'file';
  return entry.isDirectory() ? 'folder' : 'other';
}
