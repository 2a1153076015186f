// What is this backbone, in numbers? Reads, checks and writes the config.json beside a model's weights.
import { unreachable, UserError } from '../errors.js';
import type { BackboneSpec, DitSpec, ExitRule, PixartSpec, UvitSpec } from './backbone.js';
import { isDiffusersConfig, readDiffusersDit } from './ditDiffusers.js';
import {
  ditJson,
  publishedDit,
  publishedDits,
  readDitSpec,
  type DitData,
  type DitOptions,
} from './ditSpec.js';
import {
  isPixartConfig,
  pixartJson,
  publishedPixart,
  publishedPixarts,
  readPixartSpec,
} from './pixartSpec.js';
import { publishedUvit, publishedUvits, readUvitSpec, uvitJson, type UvitOptions } from './uvitSpec.js';

export { ditSpec, type DitData, type DitOptions } from './ditSpec.js';
export { pixartSpec, type PixartOptions } from './pixartSpec.js';
export { uvitSpec, type UvitOptions } from './uvitSpec.js';

/**
 * Reads a parsed config.json: that of the family or the class of diffusers it names, or else of the family whose options
 * it has.
 * @throws UserError naming the file and all that is wrong in it
 */
export function readSpec(json: unknown, path: string): BackboneSpec {
  if (isDiffusersConfig(json))
    return isPixartConfig(json) ? readPixartSpec(json, path) : readDiffusersDit(json, path);
  return isUvit(json) ? readUvitSpec(json, path) : readDitSpec(json, path);
}

/** Official files name no family, but the classes call the side of the input and the width differently. */
function isUvit(json: unknown): boolean {
  if (typeof json !== 'object' || json === null) return false;
  const { family } = json as { readonly family?: unknown };
  return family === undefined ? 'img_size' in json || 'embed_dim' in json : family === 'uvit';
}

/** A config.json of diffusers. */
type DiffusersJson = Readonly<Record<string, string | number | boolean>>;

/** What config.json holds; `readSpec` of it gives the same spec. */
export function specJson(spec: DitSpec): Required<DitOptions>;
export function specJson(spec: UvitSpec): Required<UvitOptions>;
export function specJson(spec: PixartSpec): DiffusersJson;
export function specJson(spec: BackboneSpec): Required<DitOptions> | Required<UvitOptions> | DiffusersJson;
export function specJson(spec: BackboneSpec): Required<DitOptions> | Required<UvitOptions> | DiffusersJson {
  switch (spec.family) {
    case 'dit':
      return ditJson(spec);
    case 'uvit':
      return uvitJson(spec);
    case 'pixart':
      return pixartJson(spec);
    default:
      return unreachable(spec);
  }
}

/**
 * The spec of a published size.
 * @param name such as `DiT-XL/2` or `U-ViT-H/2`
 * @param data what the size leaves open, under DiT's names; of a U-ViT or a PixArt, `input_size` alone can differ
 * @throws UserError if there is no such size
 */
export function publishedSize(name: string, data: DitData = {}): BackboneSpec {
  const { input_size, ...rest } = data;
  const isGiven = input_size !== undefined;
  const spec =
    publishedDit(name, data) ??
    publishedUvit(name, isGiven ? { img_size: input_size } : {}) ??
    publishedPixart(name, isGiven ? { sample_size: input_size } : {});
  if (!spec)
    throw new UserError(
      `${name} is not a published size; those are ${publishedNames().join(', ')}. ` +
        'Any other size is given by its options in a config.json (depth, width, attention heads, patch_size).',
    );
  const [other] = Object.keys(rest);
  if (spec.family !== 'dit' && other !== undefined)
    throw new Error(`${name} comes with one ${other}; write its options out to differ`);
  return spec;
}

/** DiT-tiny/2 to PixArt-XL/2. */
export function publishedNames(): string[] {
  return [...publishedDits(), ...publishedUvits(), ...publishedPixarts()];
}

/** By which rule a backbone is left early, where it has a choice. */
export function exitRuleOf(spec: BackboneSpec): ExitRule | undefined {
  return spec.family === 'uvit' ? spec.exitRule : undefined;
}

/**
 * The same backbone, left early by that rule.
 * @throws UserError if it has no rules to choose from
 */
export function withExitRule(spec: BackboneSpec, exitRule: ExitRule): BackboneSpec {
  if (spec.family !== 'uvit')
    throw new UserError(
      `backbone: exitRule (${exitRule}) says what leaving a U-ViT keeps of its skips, but this is ${spec.size}. Remove it.`,
    );
  return { ...spec, exitRule };
}
