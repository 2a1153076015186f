// A pipeline on made-up data: idx files of 8 x 8 images, configs of a tiny backbone and its heads, and the real verbs.
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from '@jest/globals';
import { main, type ExitCode } from '../src/commands/main.js';
import { verbs } from '../src/commands/verbs.js';
import { stream } from '../src/random.js';
import { screen } from './commands/world.js';
import { idxBytes } from './data/idx-bytes.js';

export type Json = Readonly<Record<string, unknown>>;

export interface Spoken {
  readonly code: ExitCode;
  readonly out: string;
  readonly err: string;
}

/** Runs one command line of the real verbs. */
export async function exithead(
  words: readonly string[],
  signal: AbortSignal = new AbortController().signal,
): Promise<Spoken> {
  const [out, err] = [screen(), screen()];
  const world = { stdout: out.stream, stderr: err.stream, env: {}, signal, version: '1.2.3' };
  const code = await main(words, verbs, world);
  await new Promise(setImmediate);
  return { code, out: out.text(), err: err.text() };
}

/** Runs a command that must succeed with --json. @returns the one document on stdout */
export async function told(...words: string[]): Promise<Json> {
  const { code, out, err } = await exithead([...words, '--json']);
  if (code !== 0) throw new Error(`exithead ${words.join(' ')} ended with ${code}: ${err}`);
  return JSON.parse(out) as Json;
}

/** Runs a command that must fail by its user. @returns the message alone */
export async function refusalOf(...words: string[]): Promise<string> {
  const { code, out, err } = await exithead([...words, '--quiet']);
  if (code !== 2 || out !== '' || !err.startsWith('error: ') || /\n\s+at /.test(err))
    throw new Error(`exithead ${words.join(' ')} ended with ${code}: ${out}${err}`);
  return err.slice('error: '.length).trimEnd();
}

/** A signal that aborts when it is looked at for the nth time. */
export function abortsAtLook(n: number): AbortSignal {
  const { signal } = new AbortController();
  let looks = 0;
  return Object.defineProperty(signal, 'aborted', { get: () => ++looks >= n });
}

/** The losses in metrics.jsonl, in the order of the steps. */
export function lossesIn(metrics: string): number[] {
  const lines = readFileSync(metrics, 'utf8').trimEnd().split('\n');
  return lines.map((line) => Number((JSON.parse(line) as Json)['loss']));
}

/** All files and folders below, sorted. */
export function listing(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' }).sort();
}

export interface Workshop {
  readonly root: string;
  readonly at: (...names: string[]) => string;
  /** Config for `pretrain`: 3 blocks of width 16. */
  readonly pretrain: string;
  /** Config for `train` on the backbone in backbone/. */
  readonly heads: string;
}

/** Data and configs in a folder that is removed after the test file. */
export function workshop(): Workshop {
  const root = mkdtempSync(join(tmpdir(), 'exithead-'));
  afterAll(() => rmSync(root, { recursive: true, force: true }));
  const at = (...names: string[]): string => join(root, ...names);
  mkdirSync(at('data'));
  for (const [split, count] of [
    ['train', 240],
    ['test', 90],
  ] as const) {
    const { images, labels } = made(count);
    writeFileSync(at('data', `${split}-images`), idxBytes([count, 8, 8], images));
    writeFileSync(at('data', `${split}-labels`), idxBytes([count], labels));
  }
  writeFileSync(at('base.yaml'), base);
  writeFileSync(at('pretrain.yaml'), pretrainConfig);
  writeFileSync(at('heads.yaml'), headsConfig);
  return { root, at, pretrain: at('pretrain.yaml'), heads: at('heads.yaml') };
}

/** Three classes: a bright row, a bright column, a bright corner, each in one of several places, and a little noise. */
function made(count: number): { images: Uint8Array; labels: Uint8Array } {
  const images = new Uint8Array(count * 64);
  const labels = Uint8Array.from({ length: count }, (_, i) => i % 3);
  labels.forEach((label, i) => {
    const noise = stream(1, 'made images', i).normals(64);
    const place = Math.floor(i / 3) % 8;
    for (let p = 0; p < 64; p++) {
      const [row, column] = [Math.floor(p / 8), p % 8];
      const isBright = [row === place, column === place, row < 4 && column < 4][label] ?? false;
      images[i * 64 + p] = Math.min(255, Math.abs((isBright ? 220 : 20) + 10 * (noise[p] ?? 0)));
    }
  });
  return { images, labels };
}

const base = `
data:
  kind: idx
  train: { images: data/train-images, labels: data/train-labels }
  test: { images: data/test-images, labels: data/test-labels }
diffusion: { steps: 100, betaEnd: 0.2 }
sample: { guidance: 2, clip: true, steps: 10, columns: 3 }
engine: { threads: 1 }
`;

const pretrainConfig = `
extends: base.yaml
name: tiny-pretrain
backbone: { imageSize: 8, channels: 1, patch: 4, depth: 3, width: 16, heads: 2, classes: 3 }
optimizer: { lr: 0.01, warmup: 5, ema: 0.9 }
train: { batch: 16, steps: 60, logEvery: 10, checkpointEvery: 30 }
`;

const headsConfig = `
extends: base.yaml
name: tiny-heads
backbone: { path: backbone }
heads: { kind: adapter, exits: all, bottleneck: 4 }
optimizer: { lr: 0.01, warmup: 5, ema: 0.9 }
train: { batch: 16, steps: 12, logEvery: 4, checkpointEvery: 6 }
profile: { samples: 90, batch: 32, bins: 5 }
schedule: { speedup: 1.2, steps: 10 }
`;
