// A folder as a user has it: a tiny backbone, small images and a config that trains heads on them.
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { openBackbone } from '../../src/checkpoints/backbone.js';
import { writeBackbone } from '../../src/checkpoints/writeBackbone.js';
import { parseSetting } from '../../src/config/layers.js';
import { loadConfig } from '../../src/config/load.js';
import { stream } from '../../src/random.js';
import type { Work } from '../../src/training/fit.js';
import { readMetrics, type MetricsLine } from '../../src/training/metrics.js';
import { openRun, type Run } from '../../src/training/runFolder.js';
import { startRun } from '../../src/training/startRun.js';
import { trainHeads } from '../../src/training/trainHeads.js';
import { idxBytes } from '../data/idx-bytes.js';
import { livelyWeights, onnx, spec } from './tiny.js';

const config = `
name: tiny
seed: 3
backbone: { path: backbone }
data:
  kind: idx
  train: { images: train.images, labels: train.labels }
  test: { images: test.images, labels: test.labels }
diffusion: { steps: 100 }
heads: { kind: adapter, bottleneck: 4 }
optimizer: { lr: 0.01, warmup: 5, ema: 0.9 }
train: { batch: 8, steps: 20, logEvery: 3, checkpointEvery: 5 }
profile: { samples: 40, batch: 16, bins: 5 }
schedule: { steps: 10 }
sample: { steps: 10, count: 4 }
engine: { kind: onnx, threads: 1 }
`;

/** Fills the folder. @returns path of the config */
export async function writeProject(folder: string): Promise<string> {
  await writeBackbone(join(folder, 'backbone'), spec, livelyWeights());
  await writeImages(folder, 'train', 300);
  await writeImages(folder, 'test', 60);
  const path = join(folder, 'heads.yaml');
  await writeFile(path, config);
  return path;
}

/** Images of which every class has a shape of its own: a bright quarter, in noise. */
async function writeImages(folder: string, name: string, count: number): Promise<void> {
  const random = stream(7, name);
  const { imageSize: size, classes } = spec;
  const half = size / 2;
  const pixels = Uint8Array.from({ length: count * size * size }, (_, i) => {
    const [image, row, column] = [Math.floor(i / size ** 2), Math.floor(i / size) % size, i % size];
    const quarter = 2 * Math.floor(row / half) + Math.floor(column / half);
    return quarter === image % classes ? 200 + random.integer(56) : random.integer(40);
  });
  const labels = Uint8Array.from({ length: count }, (_, i) => i % classes);
  await writeFile(join(folder, `${name}.images`), idxBytes([count, size, size], pixels));
  await writeFile(join(folder, `${name}.labels`), idxBytes([count], labels));
}

/** Work that nobody watches. */
export const quiet: Work = {
  engine: onnx,
  signal: new AbortController().signal,
  progress: { update: () => undefined, end: () => undefined },
  say: () => undefined,
  warn: (line) => {
    throw new Error(`unexpected warning: ${line}`);
  },
};

/** Asks to stop once `count` steps are done, as Ctrl-C does: from the event loop. */
export function stopAfter(count: number): Work {
  const controller = new AbortController();
  return {
    ...quiet,
    signal: controller.signal,
    progress: {
      update: (done) => {
        if (done === count) setImmediate(() => controller.abort());
      },
      end: () => undefined,
    },
  };
}

/** Starts a run of a config, or goes on with its newest one. */
export async function runOf(path: string, resume: boolean, ...set: readonly string[]): Promise<Run> {
  const loaded = await loadConfig(path, { kind: 'train', set: set.map(parseSetting) });
  return startRun(loaded, { root: join(path, '..', 'runs'), resume });
}

/** Trains the heads of a run, from its newest checkpoint on. @returns path of the heads */
export async function train({ path }: Run, work: Work = quiet): Promise<string> {
  const run = await openRun(path);
  const loaded = await loadConfig(run.config, { kind: 'train' });
  return trainHeads(run, loaded.config, await openBackbone(loaded.config.backbone), work);
}

/** What a run has measured, without the time. */
export async function untimed(run: Run): Promise<MetricsLine[]> {
  return (await readMetrics(run.metrics)).map((line) => ({ ...line, time: 0 }));
}
