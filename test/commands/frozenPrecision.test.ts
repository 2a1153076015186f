import { cpSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { beforeAll, describe, expect, it } from '@jest/globals';
import type { ErrorTable } from '../../src/schedules/errorTable.js';
import { exithead, refusalOf, told, workshop, type Json } from '../workshop.js';

const { at, pretrain, heads } = workshop();
const run = at('runs/002-tiny-heads');
const int8 = ['--set', 'engine.frozenPrecision=int8'];
const bundleJson = (folder: string): { backbone: Record<string, unknown> } =>
  JSON.parse(readFileSync(at(folder, 'bundle.json'), 'utf8')) as { backbone: Record<string, unknown> };
const drawn = (bundle: string, ...words: string[]): Promise<Json> =>
  told('sample', at(bundle), '-n', '4', '--out', at('drawn'), ...words);
const picture = (): Buffer => readFileSync(at('drawn/scheduled.png'));

let profiled: Json;
beforeAll(async () => {
  await told('pretrain', pretrain, '--out', at('runs'), '--seed', '3');
  cpSync(at('runs/001-tiny-pretrain/backbone'), at('backbone'), { recursive: true });
  await told('train', heads, '--out', at('runs'), ...int8);
  profiled = await told('profile', run);
  await told('schedule', run);
  await told('export', run, '--out', at('bundle'));
});

describe('a backbone in 8 bits', () => {
  it('is what a run says it trained on', () => {
    expect(readFileSync(`${run}/log.txt`, 'utf8')).toContain('frozen in int8; 2 adapter heads');
  });

  it('is what its profile measures', async () => {
    const other = await told('train', heads, '--out', at('floats'));
    // The same heads on another backbone: what differs is the backbone alone.
    cpSync(`${run}/heads.safetensors`, `${String(other['run'])}/heads.safetensors`);
    const inFloats = await told('profile', String(other['run']));
    const [a, b] = [profiled, inFloats].map(({ table }) => table as ErrorTable);
    expect(a!.exits).toEqual(b!.exits);
    expect(a!.heads).toBe(b!.heads);
    expect(a!.excess.mean).not.toEqual(b!.excess.mean);
    a!.excess.mean.flat().forEach((mean, i) => {
      expect(mean).toBeCloseTo(b!.excess.mean.flat()[i] ?? NaN, 1);
    });
  });

  it('stays with the run', async () => {
    for (const verb of ['profile', 'schedule'])
      expect(await refusalOf(verb, run, '--set', 'engine.frozenPrecision=fp32')).toBe(
        `${run} trained its heads on a backbone in int8, so the rest of the run cannot have it in fp32. ` +
          'Leave engine.frozenPrecision out, or train heads with it.',
      );
  });

  it('goes with the bundle, whose samples have it unless told otherwise', async () => {
    expect(bundleJson('bundle').backbone['frozenPrecision']).toBe('int8');
    expect(readFileSync(at('bundle/README.md'), 'utf8')).toContain('multiply in 8 bits');
    expect(await drawn('bundle')).toMatchObject({ frozenPrecision: 'int8' });
    const rounded = picture();
    expect(await drawn('bundle', ...int8)).toMatchObject({ frozenPrecision: 'int8' });
    expect(picture()).toEqual(rounded);
  });

  it('is replaced by floats with a warning', async () => {
    const words = ['sample', at('bundle'), '-n', '4', '--out', at('drawn')];
    const { code, err } = await exithead([...words, '--set', 'engine.frozenPrecision=fp32']);
    expect(code).toBe(0);
    expect(err).toContain('the heads were trained on a backbone in int8, and this one computes in fp32');
    const judged = ['evaluate', at('bundle'), '-n', '4', '--dry-run', '--set', 'engine.frozenPrecision=fp32'];
    expect((await exithead(judged)).err).toContain('in int8, and this one computes in fp32');
    const graphs = ['export', run, '--out', at('graphs')];
    expect((await exithead([...graphs, '--onnx'])).err).toContain('and the ONNX graphs compute in fp32');
    expect((await exithead(graphs)).err).toBe('');
    const asTrained = await exithead(words);
    expect(asTrained.err).not.toContain('were trained on a backbone');
    expect(asTrained.out).toContain('of full depth, backbone in int8');
  });

  it('is fp32 in a bundle that does not say', async () => {
    cpSync(at('bundle'), at('older'), { recursive: true });
    const { backbone, ...rest } = bundleJson('bundle');
    const { frozenPrecision: _, ...older } = backbone;
    writeFileSync(at('older/bundle.json'), JSON.stringify({ ...rest, backbone: older }));
    expect(await drawn('older')).toMatchObject({ frozenPrecision: 'fp32' });
  });

  it('is refused on engines without such products, before there is a run', async () => {
    const message = 'engine wasm has no products in 8 bits, which engine.frozenPrecision: int8 asks for';
    const wasm = ['--engine', 'wasm'];
    expect(await refusalOf('train', heads, '--out', at('refused'), ...int8, ...wasm)).toContain(message);
    expect(existsSync(at('refused'))).toBe(false);
    expect(await refusalOf('profile', run, ...wasm)).toContain(message);
    expect(await refusalOf('sample', at('bundle'), ...wasm)).toContain(message);
  });

  it('is nothing that pretraining knows', async () => {
    expect(await refusalOf('pretrain', pretrain, ...int8)).toContain('frozenPrecision');
  });
});
