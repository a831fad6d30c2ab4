/**
 * Repeats `attempt` until it stops throwing, and gives its value.
 * @throws the last error once `timeoutMs` has passed
 */
export async function eventually<T>(
  attempt: () => T | Promise<T>,
  { timeoutMs = 10_000, everyMs = 20 }: { timeoutMs?: number; everyMs?: number } = {},
): Promise<T> {
  const deadline = Date.now() + timeoutMs;
  for (;;) {
    try {
      return await attempt();
    } catch (error) {
      if (Date.now() >= deadline) throw error;
      await new Promise((resume) => setTimeout(resume, everyMs));
    }
  }
}
