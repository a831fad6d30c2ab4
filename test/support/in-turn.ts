/** Runs tasks, a few at once: a function throttles what its concurrency has no room for. */
export async function inTurn<T>(tasks: readonly (() => Promise<T>)[], atOnce = 10): Promise<T[]> {
  const results: T[] = [];
  const waiting = [...tasks.entries()];
  const worker = async () => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      const [index, task] = next;
      results[index] = await task();
    }
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
  return results;
}
