// How many threads does the flag --threads ask for?
import { UserError } from '../errors.js';

/** 0 is the engine's choice. @throws UserError unless it is a whole number from 0 */
export function threadsOf({ threads = 0 }: { readonly threads?: number | undefined }): number {
  if (Number.isInteger(threads) && threads >= 0) return threads;
  throw new UserError(`--threads: found ${threads}, expected a whole number from 0`);
}
