// How many images show the class they were asked for?
import { examples } from '../data/batches.js';
import type { Dataset } from '../data/dataset.js';
import { UserError } from '../errors.js';
import type { Classifier } from './classifier.js';

/**
 * Share of the images, 0..1, that the classifier sorts into the class of their label.
 * @param images [count, channels, imageSize, imageSize] from -1 to 1
 * @param labels [count], 0..classes-1
 * @throws UserError if there is not one label per image, or a label is no class; or as `classify`
 */
export async function agreement(
  classifier: Classifier,
  images: Float32Array,
  labels: Int32Array,
): Promise<number> {
  const found = await classifier.classify(images);
  if (found.length !== labels.length || found.length === 0)
    throw new UserError(
      `agreement: got ${found.length} images and ${labels.length} labels, expected one label per image and at least one image.`,
    );
  const stranger = labels.findIndex((label) => label < 0 || label >= classifier.classes);
  if (stranger >= 0)
    throw new UserError(
      `agreement: label ${labels[stranger]} of image ${stranger} is no class of the classifier, which knows 0 to ${classifier.classes - 1}. Train it on a data set with all classes.`,
    );
  return found.filter((label, i) => label === labels[i]).length / found.length;
}

/**
 * Share of the first `count` images of a data set, all unless told, that are classified correctly.
 * @throws UserError if the images are not those the classifier takes, or there are fewer
 */
export async function accuracyOn(
  classifier: Classifier,
  dataset: Dataset,
  count: number = dataset.count,
): Promise<number> {
  const { name, channels, imageSize } = dataset;
  if (channels !== classifier.channels || imageSize !== classifier.imageSize)
    throw new UserError(
      `${name}: images are ${channels} x ${imageSize} x ${imageSize}, the classifier takes ${classifier.channels} x ${classifier.imageSize} x ${classifier.imageSize}. Use the data set it was trained on.`,
    );
  const { x, y } = await examples(dataset, 0, count);
  return agreement(classifier, x, y);
}
