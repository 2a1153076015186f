// What is wrong with a part that the rest can be told without?
import { UserError } from '../errors.js';

/** The result, or the message of a refusal. */
export async function attempted<T>(
  work: () => Promise<T>,
): Promise<{ readonly result: T } | { readonly problem: string }> {
  try {
    return { result: await work() };
  } catch (error) {
    if (error instanceof UserError) return { problem: error.message };
    throw error;
  }
}
