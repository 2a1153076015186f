// What does any network in an ONNX file see in images? Shown to it as the file beside it says.
import { createHash } from 'node:crypto';
import { setImmediate } from 'node:timers/promises';
import { openOnnxFile, type OnnxFile, type Port } from '../engine/onnxFile.js';
import { sizeOf, type HostTensor } from '../engine/tensors.js';
import { UserError } from '../errors.js';
import type { FeatureExtractor } from './features.js';
import { featuresPath, readFeaturesFile, type FeaturesFile } from './featuresFile.js';
import { channelsOf, shownAs, type ImageSize } from './shownAs.js';
import { requireImages } from './vectors.js';

/** Images at once, where the network takes any number. */
const usualBatch = 32;
/** A larger batch is a mistake, or would fill the memory. */
const mostAtOnce = 256;
const black = -1;

/**
 * A network as a judge of images of one size. It looks at a black image first, so that what its file says of it is
 * checked before any work is done.
 * @param path of the ONNX file; what `featuresPath` names lies beside it
 * @throws UserError if one of them is not sound, the two do not fit each other, or images of that size are not taken
 */
export async function openOnnxFeatures(path: string, images: ImageSize): Promise<FeatureExtractor> {
  const file = featuresPath(path);
  const description = await readFeaturesFile(file);
  requireShowable(path, description, images);
  const network = await openOnnxFile(path);
  try {
    const fixed = requireInput(path, description, network.inputs);
    requireOutputs(path, description, network.outputs);
    const look = lookWith(path, network, description, images);
    const size = images.channels * images.imageSize ** 2;
    const { width, classes } = await look(new Float32Array((fixed ?? 1) * size).fill(black));
    return {
      ...{ name: path, width, classes },
      fingerprint: createHash('sha256')
        .update(JSON.stringify([network.sha256, description]))
        .digest('hex'),
      see: async (shown) => {
        const count = requireImages(shown, path, images);
        const features = new Float32Array(count * width);
        const probabilities = classes > 0 ? new Float32Array(count * classes) : undefined;
        const batch = fixed ?? usualBatch;
        for (let from = 0; from < count; from += batch) {
          // A large network takes long; here signals and drawings get their turn.
          await setImmediate();
          const some = shown.subarray(from * size, (from + batch) * size);
          const seen = await look(fixed === undefined ? some : padded(some, batch * size));
          const rows = some.length / size;
          features.set(seen.features.subarray(0, rows * width), from * width);
          if (seen.probabilities)
            probabilities?.set(seen.probabilities.subarray(0, rows * classes), from * classes);
        }
        return { features, probabilities };
      },
      dispose: () => network.dispose(),
    };
  } catch (error) {
    await network.dispose();
    throw error;
  }
}

/** A network for batches of one size is shown black beside the last images. */
function padded(images: Float32Array, length: number): Float32Array {
  const all = new Float32Array(length).fill(black);
  all.set(images);
  return all;
}

/** What is seen in one batch. */
interface Look {
  readonly features: Float32Array;
  readonly width: number;
  readonly probabilities: Float32Array | undefined;
  readonly classes: number;
}

function lookWith(
  path: string,
  network: OnnxFile,
  description: FeaturesFile,
  images: ImageSize,
): (some: Float32Array) => Promise<Look> {
  const { input, features, decision } = description;
  const outputs = [...new Set([features, ...(decision ? [decision.output] : [])])];
  return async (some) => {
    const x = shownAs(some, images, description);
    const [batch = 0] = x.shape;
    const results = await network.run(input.name, x, outputs);
    const seen = rowsOf(path, features, results[features], batch);
    const base = { features: seen.data, width: seen.width };
    if (!decision) return { ...base, probabilities: undefined, classes: 0 };
    const { data, width: classes } = rowsOf(path, decision.output, results[decision.output], batch);
    return { ...base, classes, probabilities: decision.holds === 'logits' ? softmax(data, classes) : data };
  };
}

/** [batch, width, 1, ...] of finite numbers. */
function rowsOf(
  path: string,
  name: string,
  tensor: HostTensor | undefined,
  batch: number,
): { data: Float32Array; width: number } {
  const shape = tensor?.shape ?? [];
  const [samples, width = 0, ...rest] = shape;
  if (!(tensor?.data instanceof Float32Array) || samples !== batch || width < 1 || sizeOf(rest) !== 1)
    throw new UserError(
      `${path}: its output ${name} is [${shape.join(', ')}] for ${batch} images, expected one vector for each: [${batch}, width]. ` +
        'Name an output after pooling.',
    );
  const bad = tensor.data.findIndex((value) => !Number.isFinite(value));
  if (bad >= 0)
    throw new UserError(
      `${path}: its output ${name} holds ${tensor.data[bad]} for sound images, expected finite numbers. Check mean and std, and its weights.`,
    );
  return { data: tensor.data, width };
}

/** Row by row, in double precision. */
function softmax(logits: Float32Array, classes: number): Float32Array {
  const out = new Float32Array(logits.length);
  for (let from = 0; from < logits.length; from += classes) {
    const row = Float64Array.from(logits.subarray(from, from + classes));
    const most = row.reduce((a, b) => Math.max(a, b), -Infinity);
    const powers = row.map((value) => Math.exp(value - most));
    const sum = powers.reduce((a, b) => a + b, 0);
    out.set(
      powers.map((value) => value / sum),
      from,
    );
  }
  return out;
}

function requireShowable(
  path: string,
  { input, resize }: FeaturesFile,
  { channels, imageSize }: ImageSize,
): void {
  const taken = input.channels === 'grey' ? 'grey images' : 'images of three colours';
  if (channels !== 1 && (channels !== 3 || input.channels === 'grey'))
    throw new UserError(
      `${path}: takes ${taken}, but these have ${channels} channels. ` +
        (channels === 3 ? 'Use a network of colours.' : 'Decode latents to pixels first.'),
    );
  if (resize === 'none' && imageSize !== input.size)
    throw new UserError(
      `${path}: takes images of ${input.size} x ${input.size}, these are ${imageSize} x ${imageSize}, and its description ` +
        'says not to resize them. Set resize there to bilinear or bicubic, or use another network.',
    );
}

/** @returns how many images it takes at once; undefined if any number */
function requireInput(path: string, { input }: FeaturesFile, inputs: readonly Port[]): number | undefined {
  const names = inputs.map(({ name }) => name);
  const port = inputs.find(({ name }) => name === input.name);
  if (!port)
    throw new UserError(
      `${path}: has no input ${JSON.stringify(input.name)}, but ${listed(names)}. Correct input.name in ${featuresPath(path)}.`,
    );
  if (inputs.length > 1)
    throw new UserError(`${path}: takes ${listed(names)}, expected images alone. Export it with one input.`);
  const channels = channelsOf(input.channels).length;
  const expected =
    input.layout === 'NCHW' ? [channels, input.size, input.size] : [input.size, input.size, channels];
  const [batch, ...rest] = port.shape;
  // An input without a shape takes what it is given; whether it does is seen when it looks.
  const isFree = port.shape.length === 0;
  const fits =
    rest.length === 3 &&
    expected.every((size, i) => typeof rest[i] === 'string' || isAny(rest[i]) || rest[i] === size);
  if (port.type !== 'float32' || !(isFree || fits))
    throw new UserError(
      `${path}: its input ${port.name} is ${port.type} [${port.shape.join(', ')}], but by ${featuresPath(path)} it would be ` +
        `float32 [batch, ${expected.join(', ')}]. Correct layout, size or channels there, or export it in single precision.`,
    );
  if (typeof batch !== 'number' || batch <= 0) return undefined;
  if (batch > mostAtOnce)
    throw new UserError(
      `${path}: takes ${batch} images at once, at most ${mostAtOnce} are shown. Export it for any number of them.`,
    );
  return batch;
}

/** How some exporters write that a size may change. */
function isAny(size: number | string | undefined): boolean {
  return typeof size === 'number' && size <= 0;
}

function requireOutputs(path: string, { features, decision }: FeaturesFile, outputs: readonly Port[]): void {
  const names = outputs.map(({ name }) => name);
  for (const [key, name] of [
    ['features', features],
    ['decision.output', decision?.output],
  ] as const)
    if (name !== undefined && !names.includes(name))
      throw new UserError(
        `${path}: has no output ${JSON.stringify(name)}, but ${listed(names)}. Correct ${key} in ${featuresPath(path)}.`,
      );
}

function listed(names: readonly string[]): string {
  const shown = names.slice(0, 8).map((name) => JSON.stringify(name));
  return names.length > shown.length
    ? `${shown.join(', ')} and ${names.length - shown.length} more`
    : shown.join(', ');
}
