// Which backbone does a path hold? Finds its spec and its weights, and checks that they belong together.
import { dirname, join } from 'node:path';
import type { BackboneSpec, ExitRule } from '../backbones/backbone.js';
import { asInDiffusers } from '../backbones/ditDiffusers.js';
import type { Labels } from '../backbones/labels.js';
import type { Layout } from '../backbones/layout.js';
import { recognise } from '../backbones/recognise.js';
import { publishedSize, readSpec, withExitRule } from '../backbones/spec.js';
import type { Weights } from '../engine/tensors.js';
import { unreachable, UserError } from '../errors.js';
import { isHubAddress } from '../hub/address.js';
import { fingerprintOf } from './fingerprint.js';
import { finiteCheck } from './finite.js';
import { laidOut, nameIn } from './laidOut.js';
import { parametersOf } from './parameters.js';
import { beforeRelabelling, relabelled } from './relabelled.js';
import type { WeightsChoice } from './torch.js';
import {
  atRealPaths,
  configFile,
  kindOf,
  locatedModel,
  openTensors,
  readConfig,
  weightsPath,
} from './weightsFile.js';

/** Where a backbone is: the section `backbone` of a config. */
export interface BackboneSource {
  /**
   * A .safetensors, .pt or .pth file, the index of several .safetensors, or a folder with config.json and one of those
   * under its usual name, as official code or diffusers write it; or hf://owner/name[@revision][/file-or-folder].
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
  /** Classes it shall know instead of its own. */
  readonly labels?: Labels | undefined;
  /** What it is, labels included, where that is known from elsewhere, as a bundle knows it; no config.json is read then. */
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
  /** The path that was given; of a source on the hub, with its revision pinned to a commit. */
  readonly source: string;
  /** The labels that were given, which these weights and this spec have. */
  readonly labels: Labels | undefined;
}

/**
 * Opens a backbone: every parameter is there in its shape, and every number is finite. The file is read once, in
 * pieces, and not kept.
 * @throws UserError saying what is missing or wrong, and what to give
 */
export async function openBackbone(source: BackboneSource): Promise<OpenedBackbone> {
  const place = await locatedModel(source.path, 'transformer');
  const file = await weightsPath(place.path, 'transformer');
  const described = await descriptionOf(source, file);
  const opened = await openTensors(file, source.weights);
  const { tensors, layout, ownEmbedders } = await laidOut(opened.tensors);
  const { spec: told, reason } = described ?? fromTensors(file, tensors);
  const found = source.spec === undefined ? withLayout(told, layout, ownEmbedders, source) : told;
  const ruled = source.exitRule === undefined ? found : withExitRule(found, source.exitRule);
  const { labels } = source;
  const own = labels !== undefined && source.spec ? beforeRelabelling(ruled, tensors) : ruled;
  const named = (name: string): string => nameIn(layout, name);
  const fitting = parametersOf(file, own, tensors, opened.others, named);
  const parameters = await atRealPaths(fitting.weights);
  const { spec, weights } =
    labels === undefined ? { spec: own, weights: parameters } : await relabelled(own, parameters, labels);
  const finite = finiteCheck();
  const fingerprint = await fingerprintOf(weights, finite.see);
  finite.require(file);
  const { leftOut } = fitting;
  return { spec, reason, weights, leftOut, layout, ownEmbedders, fingerprint, source: place.source, labels };
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
  if (config !== undefined && isHubAddress(config))
    throw new UserError(
      `backbone: config is ${config}, expected a path. A config.json beside weights on the hub is found without it.`,
    );
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
        `what ${file} holds is not known: there is no ${configFile} beside it, and ${recognised.reason}. Put one ` +
          'there, or give its path as config, or give a published size such as DiT-XL/2 as size.',
      );
    default:
      return unreachable(recognised);
  }
}
