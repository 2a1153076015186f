// How does a long command end early without losing its work?

/** Until it is released, the first Ctrl-C (SIGINT) or SIGTERM aborts the signal; the next one ends the process. */
export interface Interruption {
  readonly signal: AbortSignal;
  release(): void;
}

/** Takes over Ctrl-C. */
export function interruptible(): Interruption {
  const controller = new AbortController();
  const release = (): void => {
    process.off('SIGINT', stop);
    process.off('SIGTERM', stop);
  };
  // Without a listener a signal does what it always does: it ends the process.
  const stop = (): void => {
    release();
    controller.abort();
  };
  process.on('SIGINT', stop);
  process.on('SIGTERM', stop);
  return { signal: controller.signal, release };
}
