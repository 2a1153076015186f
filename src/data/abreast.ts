// How are many files read without opening all of them at once?

/**
 * Runs `work` for 0 to count - 1, at most `most` at a time.
 * @throws what the first failing one throws, once those that had begun have ended
 */
export async function abreast(
  count: number,
  most: number,
  work: (i: number) => Promise<void>,
): Promise<void> {
  let next = 0;
  const failures: unknown[] = [];
  const worker = async (): Promise<void> => {
    while (next < count && failures.length === 0) {
      try {
        await work(next++);
      } catch (error) {
        failures.push(error);
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(most, count) }, worker));
  if (failures.length > 0) throw failures[0];
}
