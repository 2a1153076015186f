// What does onnx/manifest.json say? All that a sampler needs to know of the graphs beside it, and when to run which.
import { z } from 'zod';
import { predictionKinds } from '../diffusion/prediction.js';
import { headKinds } from '../exits/heads.js';
import { fingerprintSchema } from '../schedules/errorTable.js';
import { jsonFormat } from '../files/jsonFile.js';

/** A file beside the manifest. */
const nameSchema = z.string().regex(/^[\w-][\w.-]*$/, 'must be the name of a file in this folder');

const fileSchema = z.object({
  file: nameSchema.describe('in this folder'),
  bytes: z.int().min(1),
  sha256: z
    .string()
    .regex(/^[0-9a-f]{64}$/, 'must be a SHA-256 in hex')
    .describe('of the bytes of the file'),
});

const portSchema = z.object({
  name: z.string().min(1).max(200),
  dtype: z.enum(['float32', 'int32']),
  shape: z
    .array(z.union([z.literal('batch'), z.int().min(1).max(1_000_000)]))
    .max(8)
    .describe('batch is the number of samples, any from 1, the same in all inputs of a call'),
  meaning: z.string().max(1000),
  exit: z.int().min(1).max(1000).optional().describe('of a residual: the exit that takes it'),
});

const graphSchema = fileSchema.extend({
  exit: z.int().min(1).max(1000).describe('the exit that this graph runs; the last is the whole backbone'),
  kind: z.enum([...headKinds, 'backbone']),
  macs: z.int().positive().describe('multiply-adds of one sample'),
  inputs: z.array(portSchema).min(1).max(16),
  outputs: z.array(portSchema).min(1).max(1000),
});

const manifestSchema = z
  .object({
    format: z.literal('exithead-onnx'),
    version: z.literal(1),
    backbone: z.object({
      size: z.string().max(200).describe('such as DiT-XL/2'),
      fingerprint: fingerprintSchema,
    }),
    heads: fingerprintSchema.describe('fingerprint of the heads'),
    opset: z.int().min(1).describe('of the standard operators; there are no others'),
    sample: z
      .array(z.int().min(1).max(1_000_000))
      .length(3)
      .describe('channels, height and width of what is drawn'),
    diffusion: z.object({
      prediction: z.enum(predictionKinds).describe('what the first channels of a prediction are'),
      learnedVariance: z
        .boolean()
        .describe('whether as many channels follow that say how large the variance of a DDPM step is'),
      steps: z
        .int()
        .min(1)
        .max(100_000)
        .describe('T; the input t is a diffusion step, 0 (data) to T - 1 (noise)'),
      alphasCumprod: z
        .array(z.number().gt(0).lt(1))
        .min(1)
        .max(100_000)
        .describe('at diffusion step t: x = sqrt(a) x0 + sqrt(1 - a) epsilon'),
      clip: z.boolean().describe('whether predicted images are kept within -1..1'),
    }),
    guidance: z.object({
      scale: z.number().min(0).describe('1 is unguided'),
      channels: z.int().min(1).describe('how many channels of a prediction it moves, from the first'),
      interval: z
        .array(z.number().min(0))
        .length(2)
        .optional()
        .describe('diffusion steps from and to which it is on, both included; at all unless given'),
      none: z
        .int()
        .min(0)
        .optional()
        .describe('the label that asks for nothing; absent where there is none, or where captions are told'),
    }),
    schedule: z
      .object({
        timesteps: z
          .array(z.number().min(0))
          .min(1)
          .max(100_000)
          .describe('diffusion steps, from noise to data'),
        exits: z.array(z.int()).describe('which graph each of them runs'),
        unconditional: z
          .array(z.int())
          .optional()
          .describe(
            'which graph the half of guidance runs that asks for nothing; that of exits unless given',
          ),
      })
      .describe('as in schedule.json'),
    weights: fileSchema.describe('safetensors that all graphs point into; load it with them'),
    graphs: z.array(graphSchema).min(1).max(1000).describe('ascending exits'),
  })
  .superRefine(({ diffusion, schedule, graphs, weights }, context) => {
    const refuse = (path: (string | number)[], message: string): void =>
      context.addIssue({ code: 'custom', path, message });
    const { steps, alphasCumprod } = diffusion;
    if (alphasCumprod.length !== steps)
      refuse(['diffusion', 'alphasCumprod'], `has ${alphasCumprod.length} entries for ${steps} steps`);
    alphasCumprod.forEach((a, t) => {
      if (a >= (alphasCumprod[t - 1] ?? 1)) refuse(['diffusion', 'alphasCumprod', t], 'does not fall');
    });
    schedule.timesteps.forEach((t, i) => {
      if (t >= (schedule.timesteps[i - 1] ?? steps))
        refuse(
          ['schedule', 'timesteps', i],
          `is ${t}; list them from noise to data, each once, below ${steps}`,
        );
    });
    const exits = graphs.map(({ exit }) => exit);
    const { timesteps, exits: all, unconditional } = schedule;
    for (const [name, list] of Object.entries({ exits: all, unconditional })) {
      if (list && list.length !== timesteps.length)
        refuse(['schedule', name], `has ${list.length} entries for ${timesteps.length} timesteps`);
      list?.forEach((exit, i) => {
        if (!exits.includes(exit)) refuse(['schedule', name, i], `is ${exit}, which has no graph`);
      });
    }
    exits.forEach((exit, i) => {
      if (exit <= (exits[i - 1] ?? 0))
        refuse(['graphs', i, 'exit'], `is ${exit}; list them ascending, each once`);
    });
    const files = [weights, ...graphs].map(({ file }) => file);
    if (new Set(files).size < files.length) refuse(['graphs'], 'name a file twice');
  });

export type OnnxManifest = Readonly<z.output<typeof manifestSchema>>;
export type OnnxGraph = OnnxManifest['graphs'][number];
export type OnnxPort = OnnxGraph['inputs'][number];

export const onnxManifestFormat = jsonFormat<OnnxManifest>({
  schema: manifestSchema,
  noun: 'a manifest of ONNX graphs',
  remedy: 'Give the onnx folder of a bundle that `exithead export --onnx` writes.',
});
