import { existsSync, readdirSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { fixtureJson, fixturePath } from '../fixtures.js';
import { exithead, type Spoken } from '../workshop.js';

/** What must be said of a fixture: on stdout where it ends with 0, on stderr where it ends with 2. */
interface Said {
  readonly code: 0 | 2;
  readonly says: readonly RegExp[];
}

const good = (...says: RegExp[]): Said => ({ code: 0, says });
const bad = (...says: RegExp[]): Said => ({ code: 2, says });
const dit = /^DiT-tiny\/2, a backbone of 276,224 parameters, all finite$/m;
const smallDit = /^DiT-3x16\/2, a backbone of 20,416 parameters, all finite$/m;
const uvit = /^U-ViT-tiny\/2, a backbone of 15\d,\d{3} parameters, all finite$/m;
const recorded = good(
  /is a \.safetensors file of \d+ tensors/,
  /why nothing more: its names are those of no/,
);

/** The first pattern that a path matches says what must be said of it. */
const table: readonly (readonly [RegExp, Said])[] = [
  [/^bad\/config\.json$/, good(/^the config of DiT-3x16\/2, a backbone of 20,416 parameters$/m)],
  [/^bad\/control\.safetensors$/, good(smallDit, /types: F32 \(42 tensors, 20,416 numbers\)/)],
  [/^bad\/control\.pt$/, good(smallDit)],
  [/^bad\/legacy_tar\.pt$/, good(smallDit)],
  [/^bad\/truncated\.safetensors$/, bad(/no sound \.safetensors.*take 81664 bytes but only 49227 are there/)],
  [/^bad\/header_overlap\.safetensors$/, bad(/a\.weight and b\.weight share bytes 48 to 63/)],
  [/^bad\/huge_header\.safetensors$/, bad(/a header of 1152921504606846976 bytes/)],
  [/^bad\/wrong_dtype\.safetensors$/, bad(/a\.weight has type Q13, expected F32, /)],
  [
    /^bad\/missing_key\.safetensors$/,
    bad(/weights of DiT-3x16\/2/, /missing \(10\):\n +blocks\.1\.attn\.qkv/),
  ],
  [
    /^bad\/wrong_shape\.safetensors$/,
    bad(/blocks\.1\.mlp\.fc1\.weight has shape \[67, 16\], expected \[64, 16\]/),
  ],
  [/^bad\/nan\.safetensors$/, bad(/blocks\.1\.attn\.proj\.weight: 2, the first is NaN at flat index 5/)],
  [/^bad\/truncated\.pt$/, bad(/no sound \.pt file: its zip archive/)],
  [/^bad\/malicious\.pt$/, bad(/asks for "os\.system"/, /nothing in the file was run/)],
  [/^dit(\/model\.safetensors)?$/, good(dit, /types: F32 \(72 tensors/)],
  [/^dit\/model\.pt$/, good(dit)],
  [/^dit\/model_plain\.pt$/, good(dit, /types: F16 \(72 tensors/)],
  [/^dit\/model_bf16\.safetensors$/, good(dit, /types: BF16 \(72 tensors/)],
  [/^dit\/config\.json$/, good(/^the config of DiT-tiny\/2, a backbone of 276,224 parameters$/m)],
  [/^uvit\/uncond(\/(model\.safetensors|nnet_ema\.pth))?$/, good(uvit, /16 x 16, unconditional,/)],
  [/^uvit\/cond(\/(model\.safetensors|nnet_ema\.pth))?$/, good(uvit, /16 x 16, 10 classes,/)],
  [/^uvit\/\w+\/config\.json$/, good(/^the config of U-ViT-tiny\/2, /)],
  [
    /^diffusers\/dit(\/diffusion_pytorch_model\.safetensors)?$/,
    good(/^DiT-3x48\/2, a backbone of 179,312 parameters/, /layout is that of diffusers/, /divided by 127/),
  ],
  [/^diffusers\/dit\/config\.json$/, good(/^the config of DiT-3x48\/2/)],
  [
    /^diffusers\/pixart(\/diffusion_pytorch_model\.safetensors)?$/,
    good(/^PixArt-3x48\/2, a backbone of 148,160 parameters/, /captions of \d+ tokens x 24/),
  ],
  [/^diffusers\/pixart-large(\/diffusion_pytorch_model\.safetensors)?$/, good(/^PixArt-2x24\/4, a backbone/)],
  [/^diffusers\/pixart(-large)?\/config\.json$/, good(/^the config of PixArt-\dx\d\d\/\d/)],
  [
    /^diffusers\/vae(\/diffusion_pytorch_model\.safetensors)?$/,
    good(/^an autoencoder of 43,711 parameters, all finite/, /latents of 4 and 2x smaller/, /\* 0\.18215/),
  ],
  [/^diffusers\/vae\/config\.json$/, good(/^the config of an autoencoder of 43,711 parameters/)],
  [
    /^captions(\/captions\.json)?$/,
    good(/holds \d+ embedded captions of up to \d+ tokens x \d+/, /its shards agree/),
  ],
  [/\.safetensors$/, recorded],
  [
    /\.json$/,
    bad(/is JSON without a format/, /exithead-bundle, .*exithead-schedule, .*exithead-error-table/),
  ],
  [/\.(md|txt)$/, bad(/is text, but no config/)],
  [/\.(png|jpg)$/, bad(/something that exithead does not know/)],
];

/** What makes a folder one thing. */
const described = ['model.safetensors', 'diffusion_pytorch_model.safetensors', 'captions.json', 'index.json'];

const paths = readdirSync(fixturePath(''), { recursive: true, encoding: 'utf8' })
  .filter((name) => {
    const isModel = (file: string): boolean => existsSync(join(fixturePath(name), file));
    return !statSync(fixturePath(name)).isDirectory() || described.some(isModel);
  })
  .sort(); // prettier-ignore

describe('exithead inspect', () => {
  it.each(paths)('is right about the fixture %s', async (name) => {
    const meant = table.find(([pattern]) => pattern.test(name))?.[1];
    if (!meant) throw new Error(`nothing is said of ${name}: what must be?`);
    const spoken: Spoken = await exithead(['inspect', fixturePath(name)]);
    const text = meant.code === 0 ? spoken.out : spoken.err;
    for (const says of meant.says) expect(text).toMatch(says);
    expect(spoken.code).toBe(meant.code);
    if (meant.code === 2) expect(spoken.err).toMatch(/^error: [^\n]*\S/);
    expect(spoken.err).not.toMatch(/\n\s+at /);
  });

  it('meets every file of the contract of damaged files, and runs none of them', () => {
    const { files } = fixtureJson('bad/expected.json') as { readonly files: readonly { file: string }[] };
    for (const { file } of files) expect(paths).toContain(`bad/${file}`);
    expect(existsSync(join(tmpdir(), 'pwned'))).toBe(false);
  });

  it('knows the figures that the table is made of', () => {
    // Patterns that match nothing any more have gone stale.
    for (const [pattern] of table) expect(paths.some((name) => pattern.test(name))).toBe(true);
  });
});
