// Under which names does a checkpoint hold its tensors? Brings those of diffusers under ours; nothing is copied.
import { nameFromDiffusers, nameInDiffusers } from '../backbones/ditDiffusers.js';
import type { Layout } from '../backbones/layout.js';
import type { Weights } from '../engine/tensors.js';
import { fingerprintOf } from './fingerprint.js';

export interface LaidOut {
  readonly layout: Layout;
  /** Under our names; what is no parameter of a known backbone keeps its own. */
  readonly tensors: Weights;
  /** In diffusers, blocks whose embedders differ from those of the first; none where the official code has one for all. */
  readonly ownEmbedders: readonly number[];
}

const embedder = /^blocks\.(\d+)\.([ty]_embedder\..+)$/;

/**
 * Every block of diffusers holds embedders of time and label. Where all are equal, as in what was converted from the
 * official code, those of the first block stand for all; otherwise each block keeps its own.
 * @throws UserError if a file is gone or has become shorter
 */
export async function laidOut(found: Weights): Promise<LaidOut> {
  if (!isDiffusers(found)) return { layout: 'official', tensors: found, ownEmbedders: [] };
  const ours = Object.entries(found).map(
    ([name, weight]) => [nameFromDiffusers(name) ?? name, weight] as const,
  );
  const tensors = Object.fromEntries(ours);
  const ownEmbedders = await differing(tensors);
  if (ownEmbedders.length > 0) return { layout: 'diffusers', tensors, ownEmbedders };
  const once = ours.flatMap(([name, weight]) => {
    const [, k, rest] = embedder.exec(name) ?? [];
    if (rest === undefined) return [[name, weight] as const];
    return k === '0' ? [[rest, weight] as const] : [];
  });
  return { layout: 'diffusers', tensors: Object.fromEntries(once), ownEmbedders };
}

/** The name that a tensor has in a file; that of ours, if there is no other. */
export function nameIn(layout: Layout, ours: string): string {
  if (layout === 'official') return ours;
  const isShared = /^[ty]_embedder\./.test(ours);
  return nameInDiffusers(isShared ? `blocks.0.${ours}` : ours) ?? ours;
}

function isDiffusers(tensors: Weights): boolean {
  return Object.keys(tensors).some((name) => /^transformer_blocks\.\d+\.norm1\.emb\./.test(name));
}

async function differing(tensors: Weights): Promise<number[]> {
  const byBlock = new Map<number, Record<string, Weights[string]>>();
  for (const [name, weight] of Object.entries(tensors)) {
    const [, k, rest = ''] = embedder.exec(name) ?? [];
    if (k !== undefined) byBlock.set(Number(k), { ...byBlock.get(Number(k)), [rest]: weight });
  }
  const first = await fingerprintOf(byBlock.get(0) ?? {});
  const others: number[] = [];
  for (const [k, own] of byBlock) if (k > 0 && (await fingerprintOf(own)) !== first) others.push(k);
  return others;
}
