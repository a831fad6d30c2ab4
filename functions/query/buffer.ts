import { readBufferStats } from '../../lib/buffer/stats.ts';
import type { Reply } from '../../lib/http/serve.ts';
import { countFailed } from '../../lib/postgres/inbox.ts';
import { readReplicaStates, noFloor, readFromReplica } from '../../lib/replication/replicas.ts';
import type { SmartQueryParts } from '../../lib/smart-query/snapshot.ts';

/** What is buffered, how fast it drains, and what keeps it. */
export async function buffer(
  { redis, keys, replicas }: SmartQueryParts,
  nowMilliseconds: number,
): Promise<Reply> {
  const [stats, failed, states] = await Promise.all([
    readBufferStats(redis, keys, nowMilliseconds),
    readFromReplica(replicas, noFloor, countFailed).catch(() => null),
    readReplicaStates(replicas),
  ]);
  return {
    status: 200,
    body: {
      size: stats.size,
      awaiting_replication: stats.committed,
      bytes: stats.bytes,
      oldest_age_seconds:
        stats.oldestStamp === undefined
          ? null
          : Math.max(0, nowMilliseconds / 1000 - stats.oldestStamp / 1e6),
      drained_per_second: stats.drainedPerSecond,
      failed,
      main: { in_reach: stats.mainInReach },
      replicas: states.map(({ name, answers, standby, replayed, streaming }) => ({
        name,
        answers,
        standby,
        streaming,
        lag_bytes: replayed === undefined ? null : Number(lagBytes(stats.newestLsn, replayed)),
      })),
    },
  };
}

/** Behind the newest commit that the site knows of. */
function lagBytes(newest: bigint, replayed: bigint): bigint {
  return newest > replayed ? newest - replayed : 0n;
}
