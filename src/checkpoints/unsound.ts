// What does the user hear about a .pt file that is damaged?
import { UserError } from '../errors.js';

/** @param what is wrong with it, as the end of a sentence */
export function unsoundTorch(path: string, what: string): UserError {
  return new UserError(
    `${path} is no sound .pt file: ${what}. Fetch it again, or save it again with a current torch.`,
  );
}
