import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { fingerprintOf } from '../../src/checkpoints/fingerprint.js';
import { openSafetensors, writeSafetensors } from '../../src/checkpoints/safetensors.js';
import type { HostTensors } from '../../src/engine/tensors.js';
import { UserError } from '../../src/errors.js';
import { initialHeads, type HeadPlan } from '../../src/exits/heads.js';
import { readHeads, requireSameBackbone, weightProblems, writeHeads } from '../../src/exits/headsFile.js';
import { scratch } from '../scratch.js';
import { tinySpec as spec, tinyWeights } from '../tiny-dit.js';
import { tinyUvit } from '../tiny-uvit.js';
import { moved } from '../training/tiny.js';

const { path } = scratch();
const plans: readonly HeadPlan[] = [
  { kind: 'linear', exit: 1 },
  { kind: 'adapter', exit: 2, bottleneck: 8, variance: 'shared' },
  { kind: 'shared', exit: 3 },
  { kind: 'block', exit: 4 },
];
const weights = moved(initialHeads(spec, plans, tinyWeights, 1), 0.1);
const backbone = 'f'.repeat(64);
const name = 'exits.2.adapter.up.bias';
const metadata = { format: 'exithead-heads', version: '1', backbone, plans: JSON.stringify(plans) };

/** Refuses a file of these weights with this metadata. */
async function refused(given: HostTensors, about: Record<string, string>, message: RegExp): Promise<void> {
  const file = path('refused.safetensors');
  await writeSafetensors(file, given, { metadata: about });
  const read = readHeads(file, spec, backbone);
  await expect(read).rejects.toThrow(UserError);
  await expect(read).rejects.toThrow(message);
  await expect(read).rejects.toThrow(file);
}

describe('a file of heads', () => {
  it('belongs to the exit rule that it was made for', async () => {
    const { spec: skips, weights: own } = tinyUvit('uncond');
    const some: readonly HeadPlan[] = [{ kind: 'linear', exit: 3 }];
    const file = path('rule.safetensors');
    await writeHeads(file, some, initialHeads(skips, some, own, 1), backbone, 'skips');
    expect((await readHeads(file, skips, backbone)).plans).toEqual(some);
    const read = readHeads(file, { ...skips, exitRule: 'plain' }, backbone);
    await expect(read).rejects.toThrow(UserError);
    await expect(read).rejects.toThrow(
      /made for the exit rule skips, but .* left by plain.*backbone\.exitRule/,
    );
  });

  it('gives back plans, every bit of the weights and their fingerprint', async () => {
    const file = path('heads.safetensors');
    await writeHeads(file, plans, weights, backbone);
    const heads = await readHeads(file, spec, backbone);
    expect(heads.plans).toEqual(plans);
    expect(heads.weights).toEqual(weights);
    expect(heads.fingerprint).toBe(await fingerprintOf(weights));
    expect((await openSafetensors(file)).metadata).toEqual(metadata);
  });

  it('is the same file again, byte for byte, when it is written again', async () => {
    await writeHeads(path('a.safetensors'), plans, weights, backbone);
    const heads = await readHeads(path('a.safetensors'), spec, backbone);
    await writeHeads(path('b.safetensors'), heads.plans, heads.weights, backbone);
    expect(readFileSync(path('a.safetensors')).equals(readFileSync(path('b.safetensors')))).toBe(true);
  });

  it('may hold no weights, if all heads are shared', async () => {
    const shared: HeadPlan[] = [{ kind: 'shared', exit: 5 }];
    await writeHeads(path('shared.safetensors'), shared, {}, backbone);
    expect(await readHeads(path('shared.safetensors'), spec, backbone)).toMatchObject({
      plans: shared,
      weights: {},
    });
  });

  it('is refused for another backbone', async () => {
    await refused(weights, { ...metadata, backbone: 'e'.repeat(64) }, /made for the backbone.*eee.*has fff/s);
    await refused(
      weights,
      { format: metadata.format, version: '1', plans: metadata.plans },
      /fingerprint none/,
    );
  });

  it.each<[string, HostTensors, RegExp]>([
    [
      'missing',
      Object.fromEntries(Object.entries(weights).filter(([key]) => key !== name)),
      /exits\.2\.adapter\.up\.bias: found none, expected \[48\]/,
    ],
    [
      'too many',
      { ...weights, 'exits.3.last.linear.bias': { shape: [1], data: new Float32Array(1) } },
      /exits\.3\.last\.linear\.bias: found \[1\], expected none/,
    ],
    [
      'of a wrong shape',
      { ...weights, [name]: { shape: [24, 2], data: new Float32Array(48) } },
      /exits\.2\.adapter\.up\.bias: found \[24, 2\], expected \[48\]/,
    ],
    ['those of the backbone', tinyWeights, /pos_embed: found \[1, 16, 48\], expected none|found none/],
  ])('is refused when its weights are %s', (_, given, message) => refused(given, metadata, message));

  it.each<[string, Record<string, string>, RegExp]>([
    ['none', {}, /holds no exit heads: its metadata has format null version null/],
    ['that of PyTorch', { format: 'pt' }, /format "pt"/],
    ['that of a later version', { ...metadata, version: '2' }, /version "2", expected .* version "1"/],
  ])('is refused when its metadata are %s', (_, about, message) => refused(weights, about, message));

  it.each([
    ['nothing', undefined],
    ['no JSON', '[{"kind":"linear"'],
    ['no list', '{"kind":"linear","exit":1}'],
    ['a list of something else', '[1, null, "linear"]'],
    ['an unknown kind', '[{"kind":"magic","exit":1}]'],
    ['the name of a property that every object has', '[{"kind":"constructor","exit":1}]'],
    ['a prototype', '[{"__proto__":{"kind":"linear","exit":1}}]'],
    ['a key that no head has', '[{"kind":"linear","exit":1,"run":"rm"}]'],
    ['a fraction of an exit', '[{"kind":"linear","exit":1.5}]'],
    ['an exit beyond all reason', '[{"kind":"linear","exit":1e9}]'],
    ['an adapter without a bottleneck', '[{"kind":"adapter","exit":1}]'],
    ['a bottleneck that fills the memory', '[{"kind":"adapter","exit":1,"bottleneck":1e15}]'],
    ['nothing but brackets', '['.repeat(20_000)],
  ])('is refused when its plans are %s', (_, text) =>
    refused(
      weights,
      { format: metadata.format, version: '1', backbone, ...(text === undefined ? {} : { plans: text }) },
      /its metadata does not say which heads it holds/,
    ),
  );

  it.each([
    ['an exit that is the backbone itself', '[{"kind":"linear","exit":6}]', /exits 1 to 5/],
    ['two heads at one exit', '[{"kind":"linear","exit":1},{"kind":"block","exit":1}]', /two heads/],
  ])('is refused when its plans are %s', (_, text, message) =>
    refused(weights, { ...metadata, plans: text }, message),
  );

  it.each([NaN, Infinity])('is refused when a weight is %d', (odd) => {
    const data = new Float32Array(48);
    data[5] = odd;
    return refused(
      { ...weights, [name]: { shape: [48], data } },
      metadata,
      /up\.bias: 1, the first is .* index 5/,
    );
  });
});

describe('what belongs together', () => {
  it('is told by the fingerprint of the backbone', () => {
    expect(() => requireSameBackbone('a', 'a', 'this')).not.toThrow();
    expect(() => requireSameBackbone('a', 'b', 'the bundle out/x')).toThrow(
      'the bundle out/x was made for the backbone with fingerprint a, but this backbone has b',
    );
  });

  it('has no problem when every weight is there in its shape', () => {
    expect(weightProblems(spec, plans, weights)).toEqual([]);
    expect(weightProblems(spec, [], {})).toEqual([]);
    expect(weightProblems(spec, [{ kind: 'linear', exit: 1 }], {})).toHaveLength(4);
  });
});
