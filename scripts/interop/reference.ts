// What do other samplers have to draw? The pictures of `exithead sample`, and the noise that they came from, as raw numbers.
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { draw } from '../../src/bundle/draw.js';
import { openBundle } from '../../src/bundle/openBundle.js';
import { loadConfig } from '../../src/config/load.js';
import { pickEngine } from '../../src/engine/pick.js';
import { initialNoise } from '../../src/samplers/noise.js';

/** Files of raw little-endian numbers, and what should come of them. */
export interface Reference {
  readonly folder: string;
  /** float32, [n, C, H, W] */
  readonly noise: string;
  /** int32, [n] */
  readonly labels: string;
  /** [n, C, H, W] */
  readonly images: Float32Array;
}

/**
 * Draws with a bundle by DDIM, with its own schedule and guidance.
 * @param folder for the files
 */
export async function drawReference(
  bundle: string,
  folder: string,
  { count, seed, signal }: { readonly count: number; readonly seed: number; readonly signal: AbortSignal },
): Promise<Reference> {
  const settings = { 'sample.solver': 'ddim', 'sample.eta': '0', 'sample.count': String(count) };
  const set = Object.entries(settings).map(([key, text]) => ({ key, text, from: 'interop' }));
  const { config } = await loadConfig(undefined, { kind: 'sample', set });
  const opened = await openBundle(bundle);
  const { channels, imageSize } = opened.model.spec;
  const { scheduled, labels } = await draw(opened, {
    engine: await pickEngine({ kind: 'onnx', threads: 0 }),
    progress: { update: () => undefined, end: () => undefined },
    ...{ config: config.sample, seed, compare: false, signal },
  });
  const noise = initialNoise(seed, { from: 0, count, length: channels * imageSize ** 2 });
  const at = (name: string): string => join(folder, name);
  await mkdir(folder, { recursive: true });
  await writeFile(at('noise.f32'), noise);
  await writeFile(at('labels.i32'), labels);
  return { folder, noise: at('noise.f32'), labels: at('labels.i32'), images: scheduled.images };
}
