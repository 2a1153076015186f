// Which autoencoder does a path hold? Finds its spec and its weights, and checks that they belong together.
import { dirname, join } from 'node:path';
import { comparisonLines, fitting, own } from '../checkpoints/parameters.js';
import { fingerprintOf } from '../checkpoints/fingerprint.js';
import { finiteCheck } from '../checkpoints/finite.js';
import type { WeightsChoice } from '../checkpoints/torch.js';
import {
  atRealPaths,
  configFile,
  kindOf,
  locatedModel,
  openTensors,
  readConfig,
  weightsPath,
} from '../checkpoints/weightsFile.js';
import { sizeOf, type Shapes, type Weight, type Weights } from '../engine/tensors.js';
import { unreachable, UserError } from '../errors.js';
import { vaeNames, type VaeLayout } from './names.js';
import { vaeShapes } from './shapes.js';
import { isVaeConfig, readVaeSpec, vaeFromShapes, type DescribedVae, type VaeSpec } from './spec.js';

export interface VaeOptions {
  /** Path of its config.json; unless given, the one beside the weights if it is that of an autoencoder. */
  readonly config?: string | undefined;
  /** Which weights of a .pt file; `auto` takes the averaged ones where there are some. */
  readonly weights?: WeightsChoice | undefined;
}

/** An autoencoder whose weights lie in their file. */
export interface StoredVae {
  readonly spec: VaeSpec;
  /** Where the spec is from, in words. */
  readonly reason: string;
  /** All parameters under the names of diffusers, and nothing else. */
  readonly weights: Weights;
  /** Whose names the file uses. */
  readonly layout: VaeLayout;
  /** Of exactly these weights under these names, see checkpoints/fingerprint.ts. */
  readonly fingerprint: string;
  /** The path that was given; of a source on the hub, with its revision pinned to a commit. */
  readonly source: string;
}

/**
 * Opens an autoencoder: every parameter is there in its shape, and every number is finite. The file is read once, in
 * pieces, and not kept.
 * @param path a folder with config.json and weights, as diffusers write it, or a .safetensors or .pt file alone, in the
 * names of diffusers or of the original code, also as a part of a whole checkpoint of Stable Diffusion; or
 * hf://owner/name[@revision][/file-or-folder]
 * @throws UserError saying what is missing or wrong, and what to give
 */
export async function openVae(path: string, options: VaeOptions = {}): Promise<StoredVae> {
  const place = await locatedModel(path, 'vae');
  const file = await weightsPath(place.path, 'vae');
  const told = await fromConfig(file, place.path, options);
  const { tensors, others } = await openTensors(file, options.weights ?? 'auto');
  const { layout, nameIn } = vaeNames(Object.keys(tensors));
  const { spec, reason } = told ?? fromTensors(file, tensors, nameIn);
  const found = underOurNames(tensors, vaeShapes(spec), nameIn);
  const weights = await atRealPaths(parametersOf(file, spec, { found, others, nameIn }));
  const finite = finiteCheck();
  const fingerprint = await fingerprintOf(weights, finite.see);
  finite.require(file);
  return { spec, reason, weights, layout, fingerprint, source: place.source };
}

/** A folder's config.json is meant; one beside a file may be that of something else. */
async function fromConfig(
  file: string,
  given: string,
  { config }: VaeOptions,
): Promise<DescribedVae | undefined> {
  const path = config ?? join(dirname(file), configFile);
  const isAsked = config !== undefined || given !== file;
  if (config === undefined && (await kindOf(path)) !== 'file') return undefined;
  const json = await readConfig(path);
  if (!isAsked && !isVaeConfig(json)) return undefined;
  return { spec: readVaeSpec(json, path), reason: `${path} says so, and its tensors fit` };
}

function fromTensors(file: string, tensors: Weights, nameIn: (ours: string) => string): DescribedVae {
  const described = vaeFromShapes((name) => own(tensors, nameIn(name))?.shape);
  if (typeof described !== 'string') return described;
  throw new UserError(
    `what ${file} holds is not known: there is no ${configFile} of an AutoencoderKL beside it, and ${described}. ` +
      'Give a folder of diffusers that holds an autoencoder, such as the vae of a pipeline.',
  );
}

/** Attention is a linear layer in some files and a convolution of 1 x 1 in others: the same numbers. */
function underOurNames(tensors: Weights, shapes: Shapes, nameIn: (ours: string) => string): Weights {
  const taken = new Set<string>();
  const ours = Object.entries(shapes).flatMap(([name, shape]) => {
    const theirs = nameIn(name);
    const weight = own(tensors, theirs);
    taken.add(theirs);
    return weight ? [[name, asShaped(weight, shape)] as const] : [];
  });
  const strangers = Object.entries(tensors).filter(([name]) => !taken.has(name));
  return Object.fromEntries([...ours, ...strangers]);
}

function asShaped(weight: Weight, shape: readonly number[]): Weight {
  const isPointwise = weight.shape.length === 4 && shape.length === 2 && sizeOf(weight.shape.slice(2)) === 1;
  return isPointwise ? { ...weight, shape: weight.shape.slice(0, 2) } : weight;
}

interface Found {
  readonly found: Weights;
  readonly others: Readonly<Record<string, string>>;
  readonly nameIn: (ours: string) => string;
}

function parametersOf(file: string, spec: VaeSpec, found: Found): Weights {
  const fit = fitting({ shapes: vaeShapes(spec), hasElsewhere: isOfAnother, ...found });
  switch (fit.kind) {
    case 'fits':
      return fit.weights;
    case 'misfit':
      throw new UserError(
        [
          `${file} does not hold the weights of an autoencoder of ${spec.blockChannels.join(', ')} channels with latents of ` +
            `${spec.latentChannels} (${spec.layersPerBlock} layers at each resolution):`,
          ...comparisonLines(fit.comparison),
          `Give the ${configFile} that belongs to this file, or another file.`,
        ].join('\n'),
      );
    default:
      return unreachable(fit);
  }
}

/** Parts that only some autoencoders have; names in the file. */
function isOfAnother(name: string): boolean {
  return /(^|\.)((post_)?quant_conv|attentions\.\d+|attn_\d+|attn\.\d+)\./.test(name);
}
