// Which backbone do these tensors make, where no config.json says so?
import type { BackboneSpec } from './backbone.js';
import { ditSpec, publishedDitHeads } from './ditSpec.js';
import { publishedUvitHeads, uvitSpec } from './uvitSpec.js';

/** Tensors by name, of which only the shapes matter. */
type Shaped = Readonly<Record<string, { readonly shape: readonly number[] }>>;

/** What was found, and by what; or why the tensors do not tell. */
export type Recognised =
  | { readonly kind: 'known'; readonly spec: BackboneSpec; readonly reason: string }
  | { readonly kind: 'unknown'; readonly reason: string };

/**
 * Reads a spec off names and shapes. All but the number of attention heads shows in them; that is known for published
 * widths and depths.
 */
export function recognise(tensors: Shaped): Recognised {
  if (tensors['adaln_single.linear.weight'] && tensors['caption_projection.linear_1.weight'])
    return {
      kind: 'unknown',
      reason:
        'its tensors are those of a PixArt, which does not hold its positions, so the side of its input is open',
    };
  if (tensors['t_block.1.weight'] && tensors['y_embedder.y_proj.fc1.weight'])
    return {
      kind: 'unknown',
      reason:
        "its tensors are those of a PixArt under its authors' names, of which only those of diffusers are read",
    };
  if (tensors['x_embedder.proj.weight'] && tensors['pos_embed'] && tensors['final_layer.linear.weight'])
    return recogniseDit(tensors);
  if (tensors['patch_embed.proj.weight'] && tensors['decoder_pred.weight']) return recogniseUvit(tensors);
  if (tensors['x_embedder.proj.weight'] || tensors['blocks.0.attn.q.weight'])
    return {
      kind: 'unknown',
      reason:
        'its tensors are those of a DiT of diffusers, which does not hold its positions, so the side of its input is open',
    };
  return { kind: 'unknown', reason: 'its tensors have the names of neither DiT nor U-ViT nor PixArt' };
}

function recogniseDit(tensors: Shaped): Recognised {
  const [hidden_size = 0, in_channels = 0, patch_size = 0] = shapeOf(tensors, 'x_embedder.proj.weight');
  const depth = blocksIn(tensors, /^blocks\.(\d+)\./);
  const [outputs = 0] = shapeOf(tensors, 'final_layer.linear.weight');
  const options = {
    input_size: patch_size * Math.sqrt(shapeOf(tensors, 'pos_embed')[1] ?? 0),
    ...{ patch_size, in_channels, hidden_size, depth },
    mlp_ratio: (shapeOf(tensors, 'blocks.0.mlp.fc1.weight')[0] ?? 0) / hidden_size,
    num_classes: (shapeOf(tensors, 'y_embedder.embedding_table.weight')[0] ?? 0) - 1,
    learn_sigma: outputs === 2 * in_channels * patch_size ** 2,
  };
  const num_heads = publishedDitHeads(depth, hidden_size);
  if (num_heads === undefined) return unknownHeads('DiT', depth, hidden_size, options);
  return known('DiT', depth, hidden_size, () => ditSpec({ ...options, num_heads }));
}

function recogniseUvit(tensors: Shaped): Recognised {
  const [embed_dim = 0, in_chans = 0, patch_size = 0] = shapeOf(tensors, 'patch_embed.proj.weight');
  const depth = 2 * blocksIn(tensors, /^in_blocks\.(\d+)\./);
  if (tensors['context_embed.weight'])
    return { kind: 'unknown', reason: 'it is a U-ViT for text, of which only classes are supported' };
  const [rows = -1] = shapeOf(tensors, 'label_emb.weight');
  const patches = (shapeOf(tensors, 'pos_embed')[1] ?? 0) - (rows > 0 ? 2 : 1);
  const options = {
    img_size: patch_size * Math.sqrt(patches),
    ...{ patch_size, in_chans, embed_dim, depth },
    mlp_ratio: (shapeOf(tensors, 'mid_block.mlp.fc1.weight')[0] ?? 0) / embed_dim,
    mlp_time_embed: tensors['time_embed.0.weight'] !== undefined,
    num_classes: rows,
    conv: tensors['final_layer.weight'] !== undefined,
  };
  const num_heads = publishedUvitHeads(depth, embed_dim);
  if (num_heads === undefined) return unknownHeads('U-ViT', depth, embed_dim, options);
  return known('U-ViT', depth, embed_dim, () => uvitSpec({ ...options, num_heads }));
}

function known(family: string, depth: number, width: number, spec: () => BackboneSpec): Recognised {
  const reason = `its tensors are those of a ${family} of depth ${depth} and width ${width}`;
  return { kind: 'known', spec: spec(), reason };
}

/** @param options that do show, under their official names: a config.json but for the heads */
function unknownHeads(
  family: string,
  depth: number,
  width: number,
  options: Readonly<Record<string, number | boolean>>,
): Recognised {
  return {
    kind: 'unknown',
    reason:
      `its tensors are those of a ${family} of depth ${depth} and width ${width}, which is no published size, ` +
      'and they do not show the number of attention heads (a divisor of the width): all else that a config.json ' +
      `needs beside num_heads is ${JSON.stringify(options)}`,
  };
}

function shapeOf(tensors: Shaped, name: string): readonly number[] {
  return tensors[name]?.shape ?? [];
}

/** One more than the largest number in names of that kind. */
function blocksIn(tensors: Shaped, pattern: RegExp): number {
  return Object.keys(tensors).reduce((most, name) => {
    const [, at] = pattern.exec(name) ?? [];
    return at === undefined ? most : Math.max(most, Number(at) + 1);
  }, 0);
}
