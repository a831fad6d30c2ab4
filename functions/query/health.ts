import { readBufferStats } from '../../lib/buffer/stats.ts';
import { problem } from '../../lib/http/problem.ts';
import type { Reply } from '../../lib/http/serve.ts';
import { countFailed } from '../../lib/postgres/inbox.ts';
import type { SmartQueryParts } from '../../lib/smart-query/executed-obs-units.ts';

/** Health answers within a second, whatever does not. */
const patienceMilliseconds = 700;

/**
 * Healthy while writes can be accepted; degraded if something else is away: main, or the replica that reads come from.
 */
export async function health({ redis, keys, replicas }: SmartQueryParts): Promise<Reply> {
  const [buffer, failed] = await Promise.all([
    inTime(readBufferStats(redis, keys, Date.now())),
    inTime(Promise.any(replicas.map(({ pool }) => countFailed(pool)))),
  ]);
  if (buffer === undefined) {
    throw problem.unavailable(
      'Redis does not answer: writes are accepted into the queue alone, reads may be refused.',
      5,
      {
        database: failed === undefined ? 'unreachable' : 'connected',
        redis: 'unreachable',
      },
    );
  }
  const whole = failed !== undefined && buffer.mainInReach;
  return {
    status: 200,
    body: {
      status: whole ? 'healthy' : 'degraded',
      database: failed === undefined ? 'unreachable' : 'connected',
      redis: 'connected',
      main: buffer.mainInReach ? 'connected' : 'unreachable',
      transaction_buffer: { size: buffer.size, failed: failed ?? null },
    },
  };
}

async function inTime<T>(asked: Promise<T>): Promise<T | undefined> {
  const tooLate = new Promise<undefined>((resolve) =>
    setTimeout(() => resolve(undefined), patienceMilliseconds).unref(),
  );
  return Promise.race([asked.catch(() => undefined), tooLate]);
}
