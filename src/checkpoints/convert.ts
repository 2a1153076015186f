// What is a DiT in the other layout? Rearranges its checkpoint between the official code and diffusers, bit for bit, and
// says what the code there computes otherwise.
import { join } from 'node:path';
import type { BackboneSpec, DitSpec } from '../backbones/backbone.js';
import { dit } from '../backbones/dit.js';
import { diffusersDitJson, inDiffusers, nameInDiffusers } from '../backbones/ditDiffusers.js';
import { ditJson } from '../backbones/ditSpec.js';
import type { Layout } from '../backbones/layout.js';
import { positions } from '../backbones/positions.js';
import { isStored, type Weight, type Weights } from '../engine/tensors.js';
import { unreachable, UserError } from '../errors.js';
import { writeFileAtomic, writeFolderAtomic } from '../files/write.js';
import { assembleSafetensors, bytesOf, type Assembled } from './assemble.js';
import { openBackbone, type OpenedBackbone } from './backbone.js';
import { readTensor } from './stored.js';
import { configFile, diffusersFile, weightsFile } from './weightsFile.js';

/** What the code of a layout computes otherwise than the backbone, whatever lies in the folder. */
export interface Difference {
  readonly field: keyof DitSpec;
  /** In the backbone, and in that code. */
  readonly here: number | string;
  readonly there: number | string;
  readonly meaning: string;
}

export interface Conversion {
  readonly to: Layout;
  /** Of what will be written: the same backbone under other names. */
  readonly spec: DitSpec;
  /** Empty where the code of that layout computes the same. */
  readonly differences: readonly Difference[];
  /** Under the names of the layout. */
  readonly tensors: Readonly<Record<string, Assembled>>;
  readonly bytes: number;
  /** Names of the files. */
  readonly files: readonly [config: string, weights: string];
}

/** Norms of the official code have no other. */
const officialEpsilon = 1e-6;
/** What the feed-forward layers of their class are wide. */
const theirMlpRatio = 4;
/** Half of the last bit of 8, which BF16 has: positions closer than that are the fixed table, rounded. */
const mostRounding = 2 ** -8;

/**
 * Plans the conversion; nothing is written.
 * @throws UserError if the layout has no place for what the backbone is, or it lies in that layout already
 */
export async function planConversion(opened: OpenedBackbone, to: Layout): Promise<Conversion> {
  const { spec, weights, source } = opened;
  requireDit(spec, source);
  if (isIn(opened, to))
    throw new UserError(
      `${source} is in the layout ${to} already. Give the other one with --to, or nothing needs doing.`,
    );
  requirePlace(opened, spec, to);
  const tensors = to === 'official' ? officialTensors(spec, weights) : theirTensors(spec, weights);
  const shared = {
    ...{ to, tensors, bytes: bytesOf(tensors) },
    differences: [
      ...fixedDifferences(spec, to),
      ...(to === 'diffusers' ? await ofPositions(source, spec, weights['pos_embed']) : []),
    ],
  };
  switch (to) {
    case 'official':
      return { ...shared, spec: asOfficial(spec), files: [configFile, weightsFile] };
    case 'diffusers':
      return { ...shared, spec: { ...spec, ...asTheirs }, files: [configFile, diffusersFile] };
    default:
      return unreachable(to);
  }
}

/**
 * Writes the folder whole or not at all, and opens it again.
 * @returns the fingerprint of what lies there
 * @throws UserError if the disk refuses it, or the folder holds other files
 */
export async function writeConversion(conversion: Conversion, folder: string): Promise<string> {
  const { to, spec, tensors, files } = conversion;
  const [config, weights] = files;
  const json = to === 'official' ? ditJson(spec) : diffusersDitJson(spec);
  await writeFolderAtomic(folder, async (inside) => {
    await assembleSafetensors(join(inside, weights), tensors, { format: 'pt' });
    await writeFileAtomic(join(inside, config), `${JSON.stringify(json, null, 2)}\n`);
  });
  const again = await openBackbone({ path: folder, weights: 'auto' });
  if (JSON.stringify(again.spec) !== JSON.stringify(spec))
    throw new Error(`${folder} opens as ${JSON.stringify(again.spec)}, expected ${JSON.stringify(spec)}`);
  return again.fingerprint;
}

const asTheirs = {
  projections: inDiffusers.projections,
  positions: inDiffusers.positions,
} satisfies Partial<DitSpec>;

function asOfficial(spec: DitSpec): DitSpec {
  return { ...spec, projections: 'joined', positions: 'stored' };
}

function requireDit(spec: BackboneSpec, source: string): asserts spec is DitSpec {
  if (spec.family !== 'dit')
    throw new UserError(`${source} is ${spec.size}, which has one layout. Only a DiT has another.`);
}

function isIn({ spec, layout, labels }: OpenedBackbone, to: Layout): boolean {
  if (layout !== to || spec.family !== 'dit' || labels !== undefined) return false;
  return to === 'diffusers' || (spec.projections === 'joined' && spec.positions === 'stored');
}

function requirePlace({ source, ownEmbedders }: OpenedBackbone, spec: DitSpec, to: Layout): void {
  if (to === 'official' && spec.embedders === 'per-block')
    throw new UserError(
      `${source} cannot be converted to the official layout, which embeds time and label once: its ` +
        `${named(ownEmbedders)} ${ownEmbedders.length === 1 ? 'has' : 'have'} embedders that differ from the first ` +
        "block's. It was trained in diffusers; use it as it is.",
    );
  if (to === 'diffusers' && spec.mlpRatio !== theirMlpRatio)
    throw new UserError(
      `${source} cannot be converted to the layout of diffusers, whose MLPs are ${theirMlpRatio} times as wide as the ` +
        `model: its own have mlp_ratio ${spec.mlpRatio}. Use it as it is.`,
    );
}

/** Counted from 1, as exits are. */
function named(blocks: readonly number[]): string {
  const numbers = blocks.map((k) => k + 1);
  if (numbers.length > 6) return `blocks 2 to ${numbers.at(-1)} (${numbers.length} of them)`;
  return `block${numbers.length === 1 ? '' : 's'} ${numbers.join(', ')}`;
}

function officialTensors(spec: DitSpec, weights: Weights): Record<string, Assembled> {
  const place = { shape: [1, spec.tokens, spec.width], data: positions(spec) };
  const assembled = (name: string): readonly Weight[] => {
    const own = weights[name];
    if (own) return [own];
    if (name === 'pos_embed') return [place];
    return ['q', 'k', 'v'].map((which) => weightOf(weights, name.replace('.qkv.', `.${which}.`)));
  };
  const shapes = dit.shapes(asOfficial(spec));
  return fromShapes(Object.entries(shapes), assembled, (name) => name);
}

function theirTensors(spec: DitSpec, weights: Weights): Record<string, Assembled> {
  const assembled = (name: string): readonly Weight[] => {
    // The one embedder is copied into every block.
    const own = weights[name] ?? weights[name.replace(/^blocks\.\d+\.(?=[ty]_embedder\.)/, '')];
    if (own) return [own];
    const which = ['.q.', '.k.', '.v.'].findIndex((part) => name.includes(`.attn${part}`));
    const joined = name.replace(/\.attn\.[qkv]\./, '.attn.qkv.');
    return [third(weightOf(weights, joined), which)];
  };
  const shapes = dit.shapes({ ...spec, ...asTheirs, embedders: 'per-block' });
  return fromShapes(Object.entries(shapes), assembled, (name) => {
    const theirs = nameInDiffusers(name);
    if (theirs === undefined) throw new Error(`diffusers have no ${name}`);
    return theirs;
  });
}

function fromShapes(
  shapes: readonly (readonly [string, readonly number[]])[],
  parts: (name: string) => readonly Weight[],
  renamed: (name: string) => string,
): Record<string, Assembled> {
  return Object.fromEntries(shapes.map(([name, shape]) => [renamed(name), { shape, parts: parts(name) }]));
}

function weightOf(weights: Weights, name: string): Weight {
  const weight = weights[name];
  if (!weight) throw new Error(`weight ${name} is missing`);
  return weight;
}

/** Rows of query (0), key (1) or value (2) of the layer that joins them. */
function third(weight: Weight, which: number): Weight {
  const [rows = 0, ...rest] = weight.shape;
  const shape = [rows / 3, ...rest];
  if (isStored(weight)) {
    const bytes = weight.bytes / 3;
    return { ...weight, shape, bytes, offset: weight.offset + which * bytes };
  }
  const size = weight.data.length / 3;
  return { shape, data: weight.data.subarray(which * size, (which + 1) * size) };
}

/** What the code of the layout has fixed, or has no key for. */
function fixedDifferences(spec: DitSpec, to: Layout): Difference[] {
  const differences: Difference[] = [];
  const shift = to === 'official' ? 0 : inDiffusers.timeShift;
  if (spec.timeShift !== shift)
    differences.push({
      ...{ field: 'timeShift', here: spec.timeShift, there: shift },
      meaning:
        `waves of time: exponents are divided by ${128 - spec.timeShift} here and by ${128 - shift} there; ` +
        `the cosine between both embeddings is ${likeness(500).toFixed(2)} at t = 500 and ${likeness(999).toFixed(2)} at t = 999`,
    });
  // Their config.json has norm_eps.
  if (to === 'official' && spec.mlpNormEpsilon !== officialEpsilon)
    differences.push({
      ...{ field: 'mlpNormEpsilon', here: spec.mlpNormEpsilon, there: officialEpsilon },
      meaning: `norm before the MLP: ${spec.mlpNormEpsilon} is added to the variance here, ${officialEpsilon} there`,
    });
  return differences;
}

/** Cosine between the waves of one time with both shifts: every wave is a point on a unit circle. */
function likeness(t: number): number {
  const waves = Array.from({ length: 128 }, (_, j) =>
    Math.cos(t * (10000 ** (-j / 128) - 10000 ** (-j / 127))),
  );
  return waves.reduce((sum, x) => sum + x, 0) / waves.length;
}

/** They compute the positions; those of the file are lost. @throws UserError if they are others */
async function ofPositions(source: string, spec: DitSpec, stored: Weight | undefined): Promise<Difference[]> {
  if (!stored) return [];
  const { data } = isStored(stored) ? await readTensor(stored) : stored;
  const table = positions(spec);
  const most = table.reduce((most, x, i) => Math.max(most, Math.abs(x - (data[i] ?? NaN))), 0);
  if (!(most <= mostRounding))
    throw new UserError(
      `${source} cannot be converted to the layout of diffusers, which computes positions from a fixed table: its own ` +
        `pos_embed differs from it by up to ${most.toPrecision(2)}. Use it as it is.`,
    );
  if (most === 0) return [];
  return [
    {
      ...{ field: 'positions', here: 'stored', there: 'computed' },
      meaning: `positions: those of the file are rounded otherwise, by up to ${most.toPrecision(2)}, and computed there`,
    },
  ];
}
