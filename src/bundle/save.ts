// What does sampling leave in its folder? A grid of pictures for each way of drawing, or the latents themselves.
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { writeSafetensors } from '../checkpoints/safetensors.js';
import type { Engine } from '../engine/engine.js';
import type { HostTensor } from '../engine/tensors.js';
import { Interrupted, unreachable } from '../errors.js';
import { makeFolder } from '../files/disk.js';
import { writeFileAtomic } from '../files/write.js';
import { imageGrid } from '../report/grid.js';
import type { Drawn } from '../samplers/compare.js';
import type { Progress } from '../training/progress.js';
import { openDeveloper, type Developer, type Pictures } from '../vae/pictures.js';
import type { Drawing } from './draw.js';

export interface SaveOptions {
  readonly engine: Engine;
  /** What the backbone draws: [count, channels, imageSize, imageSize]. */
  readonly spec: { readonly channels: number; readonly imageSize: number };
  readonly pictures: Pictures;
  /** Pictures in a row of the grid. */
  readonly columns: number;
  readonly signal: AbortSignal;
  /** Of decoding. */
  readonly progress: () => Progress;
}

export interface Saved {
  readonly files: readonly string[];
  /** Time spent decoding latents; 0 where nothing was. */
  readonly decodeSeconds: number;
}

/** From this side on, a picture in a grid is not enlarged. */
const largeEnough = 128;
const latentsFile = 'latents.safetensors';

/**
 * Writes what was drawn. Drift and times are those of drawing, which knows nothing of pictures.
 * @param folder made if it is missing
 * @throws Interrupted after the signal
 */
export async function saveDrawing(folder: string, drawing: Drawing, options: SaveOptions): Promise<Saved> {
  const { pictures } = options;
  switch (pictures.kind) {
    case 'latents':
      return { files: [await saveLatents(folder, drawing, options)], decodeSeconds: 0 };
    case 'pixels':
    case 'decoded': {
      const developer = await openDeveloper(options.engine, options.spec, pictures);
      try {
        return await savePictures(folder, drawing, developer, options);
      } finally {
        await developer.dispose();
      }
    }
    default:
      return unreachable(pictures);
  }
}

/** Latents as diffusion has them, and the label of each, or the number of its caption. */
async function saveLatents(
  folder: string,
  { scheduled, full, labels }: Drawing,
  { spec: { channels, imageSize } }: SaveOptions,
): Promise<string> {
  const shape = [labels.length, channels, imageSize, imageSize];
  const tensor = ({ images }: Drawn): HostTensor => ({ shape, data: images });
  const path = join(folder, latentsFile);
  await makeFolder(folder);
  await writeSafetensors(
    path,
    {
      latents: tensor(scheduled),
      ...(full && { full_depth: tensor(full) }),
      label: { shape: [labels.length], data: labels },
    },
    {
      metadata: { made_by: 'exithead sample', scaled: 'as diffusion has them: divide by the scaling factor' },
    },
  );
  return path;
}

async function savePictures(
  folder: string,
  { scheduled, full, labels }: Drawing,
  developer: Developer,
  { columns, pictures, signal, progress }: SaveOptions,
): Promise<Saved> {
  const { channels, imageSize } = developer;
  const sets: readonly (readonly [string, Drawn])[] = [
    ['scheduled.png', scheduled],
    ...(full ? [['full-depth.png', full] as const] : []),
  ];
  const start = performance.now();
  const developed: (readonly [string, Float32Array])[] = [];
  const isSlow = pictures.kind === 'decoded';
  const shown = isSlow ? progress() : undefined;
  let done = 0;
  try {
    for (const [name, { images }] of sets) {
      const out = new Float32Array(labels.length * channels * imageSize ** 2);
      const length = images.length / labels.length;
      for (let i = 0; i < labels.length; i++) {
        if (isSlow) await setImmediate();
        if (signal.aborted) throw new Interrupted('stopped while decoding; nothing was written.');
        const picture = await developer.develop(images.subarray(i * length, (i + 1) * length));
        out.set(picture, i * channels * imageSize ** 2);
        shown?.update(++done, sets.length * labels.length, {});
      }
      developed.push([name, out]);
    }
  } finally {
    shown?.end();
  }
  const decodeSeconds = isSlow ? (performance.now() - start) / 1000 : 0;
  await makeFolder(folder);
  const files: string[] = [];
  for (const [name, images] of developed) {
    const path = join(folder, name);
    const scale = imageSize >= largeEnough ? { scale: 1 } : {};
    await writeFileAtomic(path, (await imageGrid(images, { channels, imageSize, columns, ...scale })).png);
    files.push(path);
  }
  return { files, decodeSeconds };
}
