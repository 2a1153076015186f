// What do sections write again and again?
import { z } from 'zod';

export const count = (most: number): z.ZodInt => z.int().min(1).max(most);
export const from0 = (most: number): z.ZodInt => z.int().min(0).max(most);
/** A path; the loader resolves it against the file that it stands in. */
export const file = (description: string): z.ZodString =>
  z.string().min(1).max(4096).meta({ description, file: true });
