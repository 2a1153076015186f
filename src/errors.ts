// What went wrong, and whose move it is: a UserError ends a command with exit code 2 and its message alone.

/**
 * Something the user can mend. The message says what was found, what was expected and what to do;
 * anything else that is thrown is our bug (exit code 1, stack trace).
 */
export class UserError extends Error {
  override readonly name = 'UserError';
}

/** The user pressed Ctrl-C; the run was saved first (exit code 130). */
export class Interrupted extends Error {
  override readonly name = 'Interrupted';
}

/** Makes a `switch` over a union exhaustive: adding a member without a case no longer compiles. */
export function unreachable(value: never): never {
  throw new Error(`unreachable: ${JSON.stringify(value)}`);
}

/** The message of anything thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
