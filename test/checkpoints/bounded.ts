// Does a piece of work stay within a second of computing and a few megabytes?

/** Of the processor, so that a busy machine does not count. */
const mostSeconds = 1;
/** What a small file may make a reader hold. */
const mostBytes = 64 * 2 ** 20;

/** What a hostile file takes it takes every time; what the process tidies up meanwhile comes once. */
const attempts = 3;

/**
 * @param name of the work, for messages
 * @param work may be done again
 * @throws Error if it took more than it may each time, or threw
 */
export async function bounded<T>(name: string, work: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    const before = memory();
    const start = process.cpuUsage();
    const result = await work().catch((error: unknown) => {
      throw new Error(`${name} was not refused as it should be`, { cause: error });
    });
    const { user, system } = process.cpuUsage(start);
    const seconds = (user + system) / 1e6;
    // Memory that is collected on the way counts less; a single large allocation shows.
    const grown = memory() - before;
    if (seconds <= mostSeconds && grown <= mostBytes) return result;
    if (attempt < attempts) continue;
    throw new Error(
      `${name} took ${seconds.toFixed(2)} s of computing and ${Math.round(grown / 2 ** 20)} MiB`,
    );
  }
}

function memory(): number {
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}
