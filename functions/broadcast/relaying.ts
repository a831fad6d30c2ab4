/** When the changes of others are looked at: often while somebody watches them, seldom otherwise. */
import { Relay } from '../../lib/change-feed/relay.ts';
import type { Log } from '../../lib/observability/log.ts';
import { noFloor, readFromReplica } from '../../lib/replication/replicas.ts';
import type { SmartQueryParts } from '../../lib/smart-query/snapshot.ts';

interface RelayingParts extends SmartQueryParts {
  readonly log: Log;
}

/** Changes of others reach the outbox without a publication: it is looked at this often. */
const busyMilliseconds = 40;
const quietMilliseconds = 100;
/** Nobody watches what it relays. */
const unwatchedMilliseconds = 1000;
const isQuietAfterMilliseconds = 2000;

export class Relaying {
  readonly #parts: RelayingParts;
  readonly #relay: Relay;
  #lookedAt = 0;
  #relayedAt = 0;
  #failed = false;
  /** the last slice was not the last one */
  hasMore = false;

  constructor(parts: RelayingParts) {
    this.#parts = parts;
    this.#relay = new Relay(parts);
  }

  pauseMilliseconds(isWatched: boolean, now: number): number {
    if (!isWatched) return unwatchedMilliseconds;
    return now - this.#relayedAt > isQuietAfterMilliseconds ? quietMilliseconds : busyMilliseconds;
  }

  /** Relays a slice, if it is time. @returns whether the feed has got something */
  async step(isWatched: boolean, now: number): Promise<boolean> {
    if (!isWatched && !this.hasMore && now - this.#lookedAt < unwatchedMilliseconds) return false;
    this.#lookedAt = now;
    try {
      const { hasRelayed, hasMore } = await readFromReplica(this.#parts.replicas, noFloor, (replica) =>
        this.#relay.step(replica),
      );
      this.hasMore = hasMore;
      this.#failed = false;
      if (hasRelayed) this.#relayedAt = now;
      return hasRelayed;
    } catch (error) {
      if (!this.#failed) this.#parts.log.warn('changes of others wait for a replica', { error });
      this.#failed = true;
      this.hasMore = false;
      return false;
    }
  }
}
