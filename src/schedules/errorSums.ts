// Which sums make an error table? Those of what was measured so far, in all samples or in a part of them.
import { z } from 'zod';
import { sumsSchema } from './moments.js';

const ofErrorsSchema = z.object({ error: sumsSchema, excess: sumsSchema, rise: sumsSchema });

export const errorSumsSchema = z.object({
  epsilon: ofErrorsSchema.describe('by exit and bin, exit after exit, as in the error table'),
  x0: ofErrorsSchema,
  v: ofErrorsSchema,
  halves: z.object({ conditional: sumsSchema, unconditional: sumsSchema }).optional(),
  byAge: z
    .array(ofErrorsSchema)
    .max(1000)
    .optional()
    .describe('of memories that are 1 step old, 2, and so on'),
});

/** Sums of errors as `accumulator` gives and takes them. */
export type ErrorSums = Readonly<z.output<typeof errorSumsSchema>>;
