/** The state of the buffer: its size, how fast it drains, and the state of main and of each replica. */
import { readBufferStats } from '../buffer/stats.ts';
import { readRelayLag } from '../change-feed/relay-lag.ts';
import { countFailed } from '../postgres/inbox.ts';
import type { Of } from '../http/operation.ts';
import type { readBuffer } from '../status/operations.ts';
import { noFloor, readFromReplica, readReplicaStates } from '../replication/replicas.ts';
import type { SmartQueryParts } from './snapshot.ts';

export async function readBufferReport(
  parts: SmartQueryParts,
  nowMilliseconds: number,
): Promise<Of<(typeof readBuffer)['answers'][200]>> {
  const [stats, failed, changeFeed, states] = await Promise.all([
    readBufferStats(parts, nowMilliseconds),
    readFromReplica(parts.replicas, noFloor, countFailed).catch(() => null),
    readFromReplica(parts.replicas, noFloor, (replica) => readRelayLag(parts, replica)).catch(() => null),
    readReplicaStates(parts.replicas),
  ]);
  return {
    size: stats.size,
    awaiting_replication: stats.committed,
    bytes: stats.bytes,
    oldest_age_seconds:
      stats.oldestStamp === undefined ? null : Math.max(0, nowMilliseconds / 1000 - stats.oldestStamp / 1e6),
    drained_per_second: stats.drainedPerSecond,
    failed,
    /** lag of the relay of changes made by plain SQL, `null` if no replica answers */
    change_feed: changeFeed,
    main: { in_reach: stats.isMainReachable },
    replicas: states.map(({ name, answers, standby, replayed, streaming }) => ({
      name,
      answers,
      standby,
      streaming,
      lag_bytes: replayed === undefined ? null : Number(lagBytes(stats.newestLsn, replayed)),
    })),
  };
}

/** Bytes of WAL between a replica and the newest commit that the site knows. */
function lagBytes(newest: bigint, replayed: bigint): bigint {
  return newest > replayed ? newest - replayed : 0n;
}
