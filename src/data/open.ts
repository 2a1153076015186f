// Which data set does a config name?
import type { BackboneSpec } from '../backbones/backbone.js';
import type { TrainConfig } from '../config/schema.js';
import { unreachable, UserError } from '../errors.js';
import { unlabelled, type Dataset, type Split } from './dataset.js';
import { openPrompts } from './openPrompts.js';
import { mnistFiles, openIdxDataset } from './idxDataset.js';
import { openLatents } from './latents.js';
import { latentsIndexPath, readLatentsIndex } from './latentsIndex.js';
import { listImages, readClassNames } from './imageFolder.js';
import { openImages } from './images.js';

/**
 * Opens the training or the held-out examples of a config. An unconditional backbone asks for no label: all are 0.
 * @throws UserError if they cannot be read, or do not fit the backbone
 */
export async function openData(
  data: TrainConfig['data'],
  split: Split,
  spec: BackboneSpec,
): Promise<Dataset> {
  const dataset = await openSplit(data, split, spec);
  const { channels, imageSize, classes } = dataset;
  const shown = (c: number, size: number): string => `${c} x ${size} x ${size}`;
  if (channels !== spec.channels || imageSize !== spec.imageSize)
    throw new UserError(
      `${dataset.name}: ${dataset.holds} are ${shown(channels, imageSize)}, but the backbone takes ` +
        `${shown(spec.channels, spec.imageSize)}. Give ${dataset.holds} of that size, or another backbone.`,
    );
  const { count } = await openPrompts(spec, data.captions, 'data.captions');
  if (count === 0) return unlabelled(dataset);
  if (classes > count)
    throw new UserError(`${dataset.name}: has labels up to ${classes - 1}, ${tooMany(spec, count)}`);
  return dataset;
}

function tooMany({ conditioning }: BackboneSpec, count: number): string {
  switch (conditioning) {
    case 'classes':
      return `but the backbone knows ${count} classes. Give data with fewer classes, or another backbone.`;
    case 'captions':
      return `which are numbers of captions, but data.captions holds ${count}. Give the captions of these data.`;
    default:
      return unreachable(conditioning);
  }
}

function openSplit(data: TrainConfig['data'], split: Split, spec: BackboneSpec): Promise<Dataset> {
  switch (data.kind) {
    case 'mnist':
      return openIdxDataset(mnistFiles(split), `MNIST (${split})`);
    case 'idx':
      return openIdxDataset(data[split], data[split].images);
    case 'images':
      return openImagesSplit(data, split, spec);
    case 'latents':
      return openLatentsSplit(data, split);
    default:
      return unreachable(data);
  }
}

/** Held-out images have the labels of training, and are never mirrored. */
async function openImagesSplit(
  data: Extract<TrainConfig['data'], { kind: 'images' }>,
  split: Split,
  spec: BackboneSpec,
): Promise<Dataset> {
  const { channels, imageSize, size } = spec;
  if (channels !== 1 && channels !== 3)
    throw new UserError(
      `${data[split]}: images have 1 or 3 channels, but ${size} takes ${channels}. Encode them into latents ` +
        '(exithead encode), and set data.kind to latents.',
    );
  const named = data.classes === undefined ? undefined : await readClassNames(data.classes);
  const train = await listImages(data.train, named);
  const folder = split === 'train' ? train : await listImages(data.test, train.classNames);
  const isTold = spec.conditioning === 'classes' && spec.classes > 0;
  if (isTold && train.classNames === undefined && folder.classNames !== undefined)
    throw new UserError(
      `${data.test} has a folder for each class, and ${data.train}, which is trained on, has none, so their labels would not mean ` +
        'the same. Give both alike.',
    );
  const { flip, skipBroken } = data;
  return openImages(folder, { size: imageSize, channels, skipBroken, flip: flip && split === 'train' });
}

/** Training latents may be those of mirrored images; held-out ones never are. */
async function openLatentsSplit(
  { train, test }: Readonly<Record<Split, string>>,
  split: Split,
): Promise<Dataset> {
  if (split === 'train') return openLatents(train, { flip: true });
  const dataset = await openLatents(test, { flip: false });
  // The same label must mean the same in both.
  const { classNames: taught } = await readLatentsIndex(train);
  const { classNames: asked } = dataset.index;
  const odd = asked?.findIndex((name, i) => taught && name !== taught[i]) ?? -1;
  if (odd >= 0)
    throw new UserError(
      `${latentsIndexPath(test)}: class ${odd} is ${JSON.stringify(asked?.[odd])}, but ${JSON.stringify(taught?.[odd])} in ` +
        `${latentsIndexPath(train)}. Encode both from one folder, with --test-share.`,
    );
  return dataset;
}
