import { readBufferStats } from '../../lib/buffer/stats.ts';
import { problem } from '../../lib/http/problem.ts';
import type { Reply } from '../../lib/http/serve.ts';
import { readRelayLag } from '../../lib/change-feed/relay.ts';
import { countFailed } from '../../lib/postgres/inbox.ts';
import type { Queue } from '../../lib/queue/queue.ts';
import type { SmartQueryParts } from '../../lib/smart-query/snapshot.ts';

/** Health answers within a second, whatever does not: two waits, one after the other. */
const patienceMilliseconds = 450;

/**
 * Healthy while everything answers; degraded while writes are accepted but something is away: main, the replica that reads
 * come from, or Redis, without which writes go to the queue alone.
 * @throws ProblemError 503 if neither store answers
 */
export async function health(
  { redis, keys, replicas }: SmartQueryParts,
  queue: Pick<Queue, 'warmUp'>,
  nowMilliseconds: number,
): Promise<Reply> {
  const [buffer, failed, changeFeed] = await Promise.all([
    inTime(readBufferStats(redis, keys, nowMilliseconds)),
    inTime(Promise.any(replicas.map(({ pool }) => countFailed(pool)))),
    inTime(Promise.any(replicas.map(({ pool }) => readRelayLag(redis, keys, pool)))),
  ]);
  const database = failed === undefined ? 'unreachable' : 'connected';
  if (buffer === undefined && !(await isThere(queue))) {
    throw problem.unavailable('Neither Redis nor SQS answers: writes cannot be accepted.', 5, {
      database,
      redis: 'unreachable',
    });
  }
  const isWhole = failed !== undefined && buffer?.mainInReach === true;
  return {
    status: 200,
    body: {
      status: isWhole ? 'healthy' : 'degraded',
      database,
      redis: buffer ? 'connected' : 'unreachable',
      main: buffer === undefined ? 'unknown' : buffer.mainInReach ? 'connected' : 'unreachable',
      transaction_buffer: { size: buffer?.size ?? null, failed: failed ?? null },
      change_feed: changeFeed ?? null,
    },
  };
}

async function isThere(queue: Pick<Queue, 'warmUp'>): Promise<boolean> {
  return (await inTime(queue.warmUp().then(() => true))) ?? false;
}

async function inTime<T>(asked: Promise<T>): Promise<T | undefined> {
  const tooLate = new Promise<undefined>((resolve) =>
    setTimeout(() => resolve(undefined), patienceMilliseconds).unref(),
  );
  return Promise.race([asked.catch(() => undefined), tooLate]);
}
