import { readBufferStats, type BufferStats } from '../../lib/buffer/stats.ts';
import { readRelayLag } from '../../lib/change-feed/relay-lag.ts';
import { problem } from '../../lib/http/problem.ts';
import type { Answer } from '../../lib/http/operation.ts';
import type { readHealth } from '../../lib/status/operations.ts';
import { countFailed } from '../../lib/postgres/inbox.ts';
import type { Database } from '../../lib/postgres/connect.ts';
import type { Queue } from '../../lib/queue/queue.ts';
import type { Replica } from '../../lib/replication/replicas.ts';
import type { Site } from '../../lib/redis/site.ts';
import { storeTimeoutMilliseconds } from './health.function.ts';

/** The buffer is stuck if main answers but a transaction has been pending for longer. */
const stuckMilliseconds = 60_000;

export interface HealthParts extends Site {
  readonly replicas: readonly Replica[];
  readonly queue: Pick<Queue, 'warmUp'>;
}

/**
 * Healthy while all stores answer and main records transactions. Degraded while writes are accepted, but main, every replica or
 * Redis is unreachable, or main records nothing. Without Redis, writes go to the queue alone.
 * @throws ProblemError 503 if neither Redis nor SQS answers
 */
export async function health(
  parts: HealthParts,
  nowMilliseconds: number,
): Promise<Answer<typeof readHealth>> {
  const fromAny = <T>(read: (database: Database) => Promise<T>) =>
    inTime(Promise.any(parts.replicas.map(({ pool }) => read(pool))));
  const [buffer, replica, failed, changeFeed] = await Promise.all([
    inTime(readBufferStats(parts, nowMilliseconds)),
    fromAny((replica) => replica.query('select 1')),
    fromAny(countFailed),
    fromAny((replica) => readRelayLag(parts, replica)),
  ]);
  const database = replica === undefined ? 'unreachable' : 'connected';
  if (buffer === undefined && (await inTime(parts.queue.warmUp().then(() => true))) === undefined) {
    throw problem.unavailable('Neither Redis nor SQS answers: writes cannot be accepted.', 5, {
      database,
      redis: 'unreachable',
    });
  }
  const isHealthy =
    replica !== undefined && buffer?.isMainReachable === true && !isStuck(buffer, nowMilliseconds);
  return {
    status: 200,
    body: {
      status: isHealthy ? 'healthy' : 'degraded',
      database,
      redis: buffer ? 'connected' : 'unreachable',
      main: buffer === undefined ? 'unknown' : buffer.isMainReachable ? 'connected' : 'unreachable',
      transaction_buffer: {
        size: buffer?.size ?? null,
        failed: failed ?? null,
        is_stuck: buffer === undefined ? null : isStuck(buffer, nowMilliseconds),
      },
      change_feed: changeFeed ?? null,
    },
  };
}

function isStuck(
  { isMainReachable, oldestStamp, hasNoProgress }: BufferStats,
  nowMilliseconds: number,
): boolean {
  if (hasNoProgress) return true;
  return (
    isMainReachable && oldestStamp !== undefined && oldestStamp < (nowMilliseconds - stuckMilliseconds) * 1000
  );
}

async function inTime<T>(read: Promise<T>): Promise<T | undefined> {
  const tooLate = new Promise<undefined>((resolve) =>
    setTimeout(() => resolve(undefined), storeTimeoutMilliseconds).unref(),
  );
  return Promise.race([read.catch(() => undefined), tooLate]);
}
