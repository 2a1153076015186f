import { readFileSync, rmSync, truncateSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { pixartSpec } from '../../src/backbones/pixartSpec.js';
import { ditSpec } from '../../src/backbones/spec.js';
import { writeSafetensors } from '../../src/checkpoints/safetensors.js';
import { openCaptions } from '../../src/data/captions.js';
import { openPrompts } from '../../src/data/openPrompts.js';
import { writeCaptions } from '../../src/data/writeCaptions.js';
import { UserError } from '../../src/errors.js';
import { stream } from '../../src/random.js';
import { fixturePath } from '../fixtures.js';
import { madeCaptions } from '../made-captions.js';
import { scratch } from '../scratch.js';

const { path } = scratch();
const at = (...names: string[]): string => join(path(''), ...names);
const [channels, captionTokens] = [4, 6];
const spec = pixartSpec({
  ...{ num_layers: 1, num_attention_heads: 1, attention_head_dim: 8, cross_attention_dim: 8 },
  ...{ sample_size: 4, caption_channels: channels, caption_tokens: captionTokens },
});

/** Captions of 3 tokens, then of 5: numbers 0 to 2 and 3 to 4. */
const shards = [madeCaptions(3, 3, channels, 'a'), madeCaptions(2, 5, channels, 'b')];
const nullCaption = madeCaptions(1, 1, channels, 'null');
const texts = ['one', 'two', 'three', 'four', 'five'];

async function store(name: string, dtype: 'F32' | 'F16' = 'F32'): Promise<string> {
  const folder = at(name);
  await writeCaptions(folder, shards, { encoder: 'made up', channels, nullCaption, texts, dtype });
  return folder;
}

/** Changes the index of a store. */
function edit(folder: string, change: (index: Record<string, unknown>) => unknown): void {
  const file = join(folder, 'captions.json');
  const index = JSON.parse(readFileSync(file, 'utf8')) as Record<string, unknown>;
  writeFileSync(file, JSON.stringify(change(index)));
}

const refused = async (folder: string, message: RegExp | string): Promise<void> => {
  const opening = openCaptions(folder, spec);
  await expect(opening).rejects.toThrow(UserError);
  await expect(opening).rejects.toThrow(message);
};

describe('a store of captions', () => {
  it('gives captions in any order, padded to what the backbone reads', async () => {
    const captions = await openCaptions(await store('whole'), spec);
    expect(captions.count).toBe(5);
    const { tokens, mask } = await captions.read(Int32Array.of(4, 0, 4, 5));
    const padded = ({ tokens, mask, length }: (typeof shards)[number], row: number) => ({
      tokens: [
        ...tokens.subarray(row * length * channels, (row + 1) * length * channels),
        ...new Float32Array((captionTokens - length) * channels),
      ],
      mask: [...mask.subarray(row * length, (row + 1) * length), ...new Float32Array(captionTokens - length)],
    });
    const [first, second] = shards as [(typeof shards)[number], (typeof shards)[number]];
    const expected = [padded(second, 1), padded(first, 0), padded(second, 1), padded(nullCaption, 0)];
    expect([...tokens]).toEqual(expected.flatMap(({ tokens }) => tokens));
    expect([...mask]).toEqual(expected.flatMap(({ mask }) => mask));
    expect(readFileSync(at('whole', 'captions.txt'), 'utf8')).toBe('one\ntwo\nthree\nfour\nfive\n');
  });

  it('is read as a script in Python wrote it', async () => {
    const captions = await openCaptions(fixturePath('captions'), {
      ...spec,
      ...{ captionChannels: 6, captionTokens: 8 },
    });
    expect(captions.count).toBe(4);
    const { tokens, mask } = await captions.read(Int32Array.of(0, 1, 2, 3, 4));
    const lengths = [4, 7, 2, 7, 1];
    expect([...mask]).toEqual(
      lengths.flatMap((length) => [...Array(8).keys()].map((i) => Number(i < length))),
    );
    const counts = (i: number): boolean => mask[Math.floor(i / 6)] === 1;
    expect([...tokens].every((value, i) => counts(i) === (value !== 0))).toBe(true);
    // Normal numbers, not bytes that were misread: 21 tokens of 6.
    const variance = tokens.reduce((sum, value) => sum + value ** 2, 0) / (21 * 6);
    expect(Math.abs(variance - 1)).toBeLessThan(0.3);
  });

  it('may be stored in half precision', async () => {
    const captions = await openCaptions(await store('half', 'F16'), spec);
    const { tokens } = await captions.read(Int32Array.of(1));
    const exact = shards[0]?.tokens.subarray(3 * channels, 6 * channels) ?? [];
    expect(tokens.subarray(0, 3 * channels)).toBeAllClose(exact, 2e-3);
  });

  it('refuses numbers that it does not hold', async () => {
    const captions = await openCaptions(await store('numbers'), spec);
    for (const number of [-1, 6])
      await expect(captions.read(Int32Array.of(number))).rejects.toThrow(
        `holds captions 0 to 4, and number ${number} was asked for`,
      );
  });

  it('refuses a backbone that reads other captions', async () => {
    const folder = await store('other');
    await expect(openCaptions(folder, { ...spec, captionChannels: 8 })).rejects.toThrow(
      /holds captions of 4 channels \(from "made up"\), but PixArt-1x8\/2 reads captions of 8/,
    );
    await expect(openCaptions(folder, { ...spec, captionTokens: 4 })).rejects.toThrow(
      /up to 5 tokens, but PixArt-1x8\/2 reads 4/,
    );
  });

  it.each([
    ['is of another format', (index: object) => ({ ...index, format: 'zip' }), 'its format is "zip"'],
    ['is of another version', (index: object) => ({ ...index, version: 2 }), 'of version 2'],
    ['counts wrongly', (index: object) => ({ ...index, count: 7 }), 'is 7, but the shards hold 5'],
    [
      'names a file elsewhere',
      (index: object) => ({ ...index, nullCaption: '../null.safetensors' }),
      'must be the name of a .safetensors file beside the index',
    ],
    [
      'names a file twice',
      (index: object) => ({ ...index, nullCaption: 'captions-00000.safetensors' }),
      'twice',
    ],
    [
      'names a file that is not there',
      (index: object) => ({ ...index, nullCaption: 'none.safetensors' }),
      'none.safetensors cannot be read',
    ],
    [
      'gives shards other counts',
      (index: object) => ({
        ...index,
        shards: [
          { file: 'captions-00000.safetensors', count: 2 },
          { file: 'captions-00001.safetensors', count: 3 },
        ],
      }),
      'tokens is [3, 3, 4], expected [2, 3, 4]',
    ],
    ['allows fewer tokens', (index: object) => ({ ...index, tokens: 4 }), 'have 5 tokens, expected 1 to 4'],
    ['asks for other channels', (index: object) => ({ ...index, channels: 8 }), 'captions of 8 channels'],
    ['has no shards', (index: object) => ({ ...index, shards: [], count: 1 }), 'shards'],
  ])('is refused if its index %s', async (name, change, message) => {
    const folder = await store(`index ${name}`);
    edit(folder, change);
    await refused(folder, message);
  });

  it('is refused without its index', async () => {
    const folder = await store('unfinished');
    rmSync(join(folder, 'captions.json'));
    await refused(folder, 'expected the index of captions');
  });

  it('is refused if a file is cut short, or lacks a tensor', async () => {
    const short = await store('short');
    truncateSync(join(short, 'captions-00001.safetensors'), 200);
    await refused(short, 'it is cut short');
    const lacking = await store('lacking');
    await writeSafetensors(join(lacking, 'null.safetensors'), {
      tokens: { shape: [1, 1, channels], data: nullCaption.tokens },
    });
    await refused(lacking, 'it has no mask');
  });

  it('names the row whose numbers are not sound', async () => {
    const spoilt = { ...nullCaption, tokens: Float32Array.of(1, NaN, 0, 0) };
    const folder = at('spoilt');
    const empty = { ...madeCaptions(2, 3, channels, 'a'), mask: Float32Array.of(1, 1, 0, 0, 0, 0) };
    const odd = { ...madeCaptions(1, 3, channels, 'a'), mask: Float32Array.of(1, 0.5, 0) };
    await writeCaptions(folder, [empty, odd], { encoder: '', channels, nullCaption: spoilt, dtype: 'F32' });
    const captions = await openCaptions(folder, spec);
    await expect(captions.read(Int32Array.of(0))).resolves.toBeDefined();
    await expect(captions.read(Int32Array.of(1))).rejects.toThrow(
      /00000.*mask in row 1 is not made of 0 and 1/,
    );
    await expect(captions.read(Int32Array.of(2))).rejects.toThrow(/00001.*mask in row 0/);
    await expect(captions.read(Int32Array.of(3))).rejects.toThrow(/null.*embedding in row 0 is not finite/);
  });

  it('never ends in anything but a refusal when bytes of its index change', async () => {
    const folder = await store('mutated');
    const file = join(folder, 'captions.json');
    const good = readFileSync(file);
    const random = stream(5, 'mutations');
    for (let i = 0; i < 300; i++) {
      const bytes = Buffer.from(good);
      bytes[random.integer(bytes.length)] = random.integer(256);
      writeFileSync(file, bytes);
      await openCaptions(folder, spec).catch((error: unknown) => {
        if (!(error instanceof UserError)) throw error;
      });
    }
  });
});

describe('prompts', () => {
  const dit = ditSpec({
    ...{ input_size: 4, patch_size: 2, in_channels: 1, hidden_size: 8, depth: 1, num_heads: 1 },
    ...{ mlp_ratio: 4, num_classes: 3, learn_sigma: false },
  });

  it('are classes, or the captions of a store', async () => {
    const classes = await openPrompts(dit, undefined, 'data.captions');
    expect(classes).toMatchObject({ count: 3, none: 3 });
    expect(await classes.feeds(Int32Array.of(2, 3))).toEqual({ y: Int32Array.of(2, 3) });
    const captions = await openPrompts(spec, await store('prompts'), 'data.captions');
    expect(captions).toMatchObject({ count: 5, none: 5 });
    const fed = await captions.feeds(Int32Array.of(0, 5));
    expect(Object.keys(fed)).toEqual(['caption', 'captionMask']);
    const { nullCaption, nullCaptionMask, scale } = await captions.guidanceFeeds(4);
    expect(scale).toBe(4);
    expect(nullCaption).toEqual((fed['caption'] as Float32Array).subarray(captionTokens * channels));
    expect(nullCaptionMask).toEqual((fed['captionMask'] as Float32Array).subarray(captionTokens));
  });

  it('are read once where the same are asked for again', async () => {
    const folder = await store('again');
    const prompts = await openPrompts(spec, folder, '--captions');
    const numbers = Int32Array.of(1, 2);
    const first = await prompts.feeds(numbers);
    expect(await prompts.feeds(Int32Array.of(1, 2))).toBe(first);
    numbers[0] = 3;
    expect(await prompts.feeds(numbers)).not.toBe(first);
  });

  it('know other captions by their files', async () => {
    const decidedBy = async (): Promise<unknown> =>
      (await openPrompts(spec, at('known'), '--captions')).decidedBy;
    const folder = await store('known');
    const first = await decidedBy();
    expect(await decidedBy()).toBe(first);
    utimesSync(join(folder, 'null.safetensors'), 1, 1);
    const touched = await decidedBy();
    expect(touched).not.toBe(first);
    edit(folder, (index) => ({ ...index, encoder: 'another' }));
    expect(await decidedBy()).not.toBe(touched);
  });

  it('are refused where captions are missing, or nobody reads them', async () => {
    await expect(openPrompts(spec, undefined, 'data.captions')).rejects.toThrow(
      'PixArt-1x8/2 is told captions, and there are none. Give the folder of embedded captions as data.captions',
    );
    await expect(openPrompts(dit, 'somewhere', '--captions')).rejects.toThrow(
      '--captions is somewhere, but DiT-1x8/2 is told classes',
    );
  });
});
