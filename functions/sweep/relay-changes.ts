/** Relays changes made by plain SQL while no broadcaster is running, and reports a lagging relay. */
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

/** Limit of one sweep; the next one continues. */
const maxMilliseconds = 5000;
/** A change that was not relayed within two sweeps is late. */
const lateMilliseconds = 120_000;
/** A transaction at main that has been open for this long was probably forgotten. */
const longOpenMilliseconds = 600_000;

export async function relayChanges(parts: RelayParts): Promise<object> {
  const { redis, keys, replicas, log, now } = parts;
  return readFromReplica(replicas, noFloor, async (replica) => {
    const relay = new Relay({ redis, keys });
    const ends = now() + maxMilliseconds;
    // a running broadcaster relays changes itself
    while (now() < ends && !(await isLeased({ redis, keys })) && (await relay.step(replica)).hasMore);
    const lag = await readRelayLag({ redis, keys }, replica);
    const { waiting_since, held_since } = lag;
    if (isOlder(waiting_since, lateMilliseconds, now())) {
      log.error('changes made by plain SQL are not relayed', { metric: 'RelayBehind', ...lag });
    }
    if (isOlder(held_since, longOpenMilliseconds, now())) {
      log.warn('a transaction at main has been open for too long', { metric: 'RelayHeld', ...lag });
    }
    return lag;
  });
}

function isOlder(since: string | null, milliseconds: number, now: number): boolean {
  return since !== null && now - Date.parse(since) > milliseconds;
}
