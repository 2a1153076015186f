// Under which names does a file hold the parameters of an autoencoder? Ours are those that diffusers use today.

/**
 * - diffusers: as they are;
 * - old-diffusers: the same but for the attention;
 * - latent-diffusion: those of the original code (CompVis), which counts the decoder's resolutions from the finest.
 */
export type VaeLayout = 'diffusers' | 'old-diffusers' | 'latent-diffusion';

export interface VaeNames {
  readonly layout: VaeLayout;
  /** Under which name the file holds a parameter of ours. */
  readonly nameIn: (ours: string) => string;
}

type Table = readonly (readonly [ours: RegExp, theirs: string])[];

const oldAttention: Table = [
  [/(\.attentions\.0)\.to_q\./, '$1.query.'],
  [/(\.attentions\.0)\.to_k\./, '$1.key.'],
  [/(\.attentions\.0)\.to_v\./, '$1.value.'],
  [/(\.attentions\.0)\.to_out\.0\./, '$1.proj_attn.'],
];

const latentDiffusion: Table = [
  [/\.down_blocks\.(\d+)\.resnets\.(\d+)\./, '.down.$1.block.$2.'],
  [/\.down_blocks\.(\d+)\.downsamplers\.0\.conv\./, '.down.$1.downsample.conv.'],
  [/\.up_blocks\.(\d+)\.resnets\.(\d+)\./, '.up.$1.block.$2.'],
  [/\.up_blocks\.(\d+)\.upsamplers\.0\.conv\./, '.up.$1.upsample.conv.'],
  [/\.mid_block\.resnets\.0\./, '.mid.block_1.'],
  [/\.mid_block\.resnets\.1\./, '.mid.block_2.'],
  [/\.mid_block\.attentions\.0\.group_norm\./, '.mid.attn_1.norm.'],
  [/\.mid_block\.attentions\.0\.to_([qkv])\./, '.mid.attn_1.$1.'],
  [/\.mid_block\.attentions\.0\.to_out\.0\./, '.mid.attn_1.proj_out.'],
  [/\.conv_shortcut\./, '.nin_shortcut.'],
  [/\.conv_norm_out\./, '.norm_out.'],
];

/** Before the names of an autoencoder in a checkpoint of the whole of Stable Diffusion. */
const prefix = 'first_stage_model.';

/** How a file names its parameters, told from all of its names. What the file has keeps its name. */
export function vaeNames(found: readonly string[]): VaeNames {
  const there = new Set(found);
  const start = found.some((name) => name.startsWith(prefix)) ? prefix : '';
  const { layout, table, prepared } = layoutOf(found);
  return {
    layout,
    nameIn: (ours) => (there.has(ours) ? ours : start + renamed(prepared(ours), table)),
  };
}

interface Mapping {
  readonly layout: VaeLayout;
  readonly table: Table;
  /** What no table can say. */
  readonly prepared: (ours: string) => string;
}

function layoutOf(found: readonly string[]): Mapping {
  const same = (ours: string): string => ours;
  const original = found.flatMap(
    (name) => /^(?:first_stage_model\.)?decoder\.up\.(\d+)\./.exec(name)?.[1] ?? [],
  );
  const resolutions = new Set(original).size;
  if (resolutions > 0)
    return {
      layout: 'latent-diffusion',
      table: latentDiffusion,
      prepared: (ours) =>
        ours.replace(/\.up_blocks\.(\d+)\./, (_, i: string) => `.up_blocks.${resolutions - 1 - Number(i)}.`),
    };
  const isOld = found.some((name) => name.includes('.attentions.0.proj_attn.'));
  if (isOld) return { layout: 'old-diffusers', table: oldAttention, prepared: same };
  return { layout: 'diffusers', table: [], prepared: same };
}

function renamed(name: string, table: Table): string {
  return table.reduce((done, [ours, theirs]) => done.replace(ours, theirs), name);
}
