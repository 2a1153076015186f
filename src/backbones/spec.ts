// What is this backbone, in numbers? Reads, checks and writes the config.json beside a model's weights.
import { z } from 'zod';
import { UserError } from '../errors.js';
import type { BackboneSpec } from './backbone.js';

const count = (most: number): z.ZodInt => z.int().min(1).max(most);

/** The options of the official DiT class, plus the number of time steps. Limits keep a bad file from filling memory. */
const optionsSchema = z.object({
  family: z.literal('dit').default('dit'),
  /** Side of the input: latents or pixels. */
  input_size: count(4096),
  patch_size: count(256),
  in_channels: count(1024),
  hidden_size: count(65536),
  depth: count(1000),
  num_heads: count(1024),
  mlp_ratio: z.number().min(0.25).max(64),
  num_classes: count(1_000_000),
  learn_sigma: z.boolean(),
  time_steps: count(100_000).default(1000),
});

/** Official names and meanings, such as `{ input_size: 32, patch_size: 2, in_channels: 4, ... }`. */
export type DitOptions = z.input<typeof optionsSchema>;

/**
 * The spec of a DiT.
 * @param path where the options come from, for messages
 * @throws UserError naming every option that is missing or out of range, or what does not fit together
 */
export function ditSpec(options: DitOptions, path = 'backbone'): BackboneSpec {
  return readSpec(options, path);
}

/**
 * Reads a parsed config.json. Other keys are left alone, since published files carry more than this needs.
 * @throws UserError naming the file and all that is wrong in it
 */
export function readSpec(json: unknown, path: string): BackboneSpec {
  const parsed = optionsSchema.safeParse(json);
  if (!parsed.success) throw refuse(path, parsed.error.issues.map(describe));
  const options = parsed.data;
  const misfits = misfitsOf(options);
  if (misfits.length > 0) throw refuse(path, misfits);
  return {
    family: options.family,
    size: sizeName(options),
    depth: options.depth,
    tokens: (options.input_size / options.patch_size) ** 2,
    width: options.hidden_size,
    heads: options.num_heads,
    mlpRatio: options.mlp_ratio,
    patch: options.patch_size,
    channels: options.in_channels,
    imageSize: options.input_size,
    outChannels: options.learn_sigma ? 2 * options.in_channels : options.in_channels,
    classes: options.num_classes,
    timeSteps: options.time_steps,
    prediction: 'epsilon',
  };
}

/** What config.json holds; `readSpec` of it gives the same spec. */
export function specJson(spec: BackboneSpec): Required<DitOptions> {
  return {
    family: spec.family,
    input_size: spec.imageSize,
    patch_size: spec.patch,
    in_channels: spec.channels,
    hidden_size: spec.width,
    depth: spec.depth,
    num_heads: spec.heads,
    mlp_ratio: spec.mlpRatio,
    num_classes: spec.classes,
    learn_sigma: spec.outChannels === 2 * spec.channels,
    time_steps: spec.timeSteps,
  };
}

interface Published {
  readonly depth: number;
  readonly hidden_size: number;
  readonly num_heads: number;
}

/** Table 1 of the DiT paper; each comes with patches of 2, 4 and 8. */
const published: Readonly<Record<string, Published>> = {
  S: { depth: 12, hidden_size: 384, num_heads: 6 },
  B: { depth: 12, hidden_size: 768, num_heads: 12 },
  L: { depth: 24, hidden_size: 1024, num_heads: 16 },
  XL: { depth: 28, hidden_size: 1152, num_heads: 16 },
};
const publishedPatches: readonly number[] = [2, 4, 8];

/** What a published size leaves open; unless said, what ImageNet at 256 px has: 32 x 32 x 4 latents, 1000 classes. */
export type DitData = Partial<
  Pick<DitOptions, 'input_size' | 'in_channels' | 'num_classes' | 'learn_sigma' | 'time_steps'>
>;

/**
 * The spec of a published size.
 * @param name such as `DiT-XL/2`
 * @throws UserError if there is no such size
 */
export function publishedSize(name: string, data: DitData = {}): BackboneSpec {
  const [, letter = '', patch = ''] = /^DiT-(\w+)\/(\d+)$/.exec(name) ?? [];
  const size = Object.hasOwn(published, letter) ? published[letter] : undefined;
  if (!size || !publishedPatches.includes(Number(patch)))
    throw new UserError(
      `${name} is not a published size; those are ${publishedNames().join(', ')}. ` +
        'Any other size is given by its options (depth, hidden_size, num_heads, patch_size).',
    );
  return ditSpec(
    {
      input_size: 32,
      in_channels: 4,
      num_classes: 1000,
      learn_sigma: true,
      ...data,
      ...size,
      patch_size: Number(patch),
      mlp_ratio: 4,
    },
    name,
  );
}

/** DiT-S/2 to DiT-XL/8. */
export function publishedNames(): string[] {
  return Object.keys(published).flatMap((letter) =>
    publishedPatches.map((patch) => `DiT-${letter}/${patch}`),
  );
}

type Options = z.output<typeof optionsSchema>;

/** The published name, or one made of depth, width and patch. */
function sizeName({ depth, hidden_size, num_heads, mlp_ratio, patch_size }: Options): string {
  const known = Object.entries(published).find(
    ([, size]) =>
      size.depth === depth &&
      size.hidden_size === hidden_size &&
      size.num_heads === num_heads &&
      mlp_ratio === 4 &&
      publishedPatches.includes(patch_size),
  );
  return `DiT-${known ? known[0] : `${depth}x${hidden_size}`}/${patch_size}`;
}

function misfitsOf(options: Options): string[] {
  const { input_size, patch_size, hidden_size, num_heads, mlp_ratio } = options;
  const rules: readonly (readonly [boolean, string])[] = [
    [
      input_size % patch_size === 0,
      `patch_size ${patch_size} does not divide input_size ${input_size}; choose one that does`,
    ],
    [
      hidden_size % num_heads === 0,
      `num_heads ${num_heads} does not divide hidden_size ${hidden_size}; choose one that does`,
    ],
    [
      hidden_size % 4 === 0,
      `hidden_size ${hidden_size} is not a multiple of 4, which the position table of sines and cosines needs`,
    ],
    [
      Number.isInteger(hidden_size * mlp_ratio),
      `mlp_ratio ${mlp_ratio} times hidden_size ${hidden_size} is not a whole number`,
    ],
  ];
  return rules.flatMap(([holds, message]) => (holds ? [] : [message]));
}

function describe({ path, message }: z.core.$ZodIssue): string {
  return path.length > 0 ? `${path.join('.')}: ${message}` : message;
}

function refuse(path: string, problems: readonly string[]): UserError {
  return new UserError(`${path} describes no DiT:\n${problems.map((problem) => `  ${problem}`).join('\n')}`);
}
