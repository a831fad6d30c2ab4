/** Relays what others have changed at main while no broadcaster does, and reports a relay that is behind. */
import { isLeased } from '../../lib/change-feed/lease.ts';
import { readRelayLag } from '../../lib/change-feed/relay-lag.ts';
import { Relay } from '../../lib/change-feed/relay.ts';
import type { Log } from '../../lib/observability/log.ts';
import { noFloor, readFromReplica } from '../../lib/replication/replicas.ts';
import type { SmartQueryParts } from '../../lib/smart-query/snapshot.ts';

interface RelayParts extends SmartQueryParts {
  readonly log: Log;
  /** epoch ms */
  readonly now: () => number;
}

/** Of one sweep: the next one goes on. */
const longestMilliseconds = 5000;
/** A change of others that was not relayed by then is late: two sweeps have passed. */
const lateMilliseconds = 120_000;
/** A transaction at main that is open for so long was probably forgotten. */
const longOpenMilliseconds = 600_000;

export async function relayChanges(parts: RelayParts): Promise<object> {
  const { redis, keys, replicas, log, now } = parts;
  return readFromReplica(replicas, noFloor, async (replica) => {
    const relay = new Relay({ redis, keys });
    const ends = now() + longestMilliseconds;
    // a broadcaster relays by itself, in slices between what it sends
    while (now() < ends && !(await isLeased({ redis, keys })) && (await relay.step(replica)).hasMore);
    const lag = await readRelayLag({ redis, keys }, replica);
    const { waiting_since, held_since } = lag;
    if (isOlder(waiting_since, lateMilliseconds, now())) {
      log.error('changes by others are not relayed', { metric: 'RelayBehind', ...lag });
    }
    if (isOlder(held_since, longOpenMilliseconds, now())) {
      log.warn('a transaction at main has been open for long', { metric: 'RelayHeld', ...lag });
    }
    return lag;
  });
}

function isOlder(since: string | null, milliseconds: number, now: number): boolean {
  return since !== null && now - Date.parse(since) > milliseconds;
}
