/** Polls the outbox for changes made by plain SQL: often while a channel needs them, rarely otherwise. */
import { Relay } from '../../lib/change-feed/relay.ts';
import type { Log } from '../../lib/observability/log.ts';
import { noFloor, readFromReplica } from '../../lib/replication/replicas.ts';
import type { SmartQueryParts } from '../../lib/smart-query/snapshot.ts';

interface RelayingParts extends SmartQueryParts {
  readonly log: Log;
}

/** Polling intervals, soon after the last change and later: plain SQL publishes nothing in Redis. */
const busyMilliseconds = 40;
const idleMilliseconds = 100;
/** Polling interval if no subscribed channel needs the changes. */
const unwatchedMilliseconds = 1000;
const idleAfterMilliseconds = 2000;

export class Relaying {
  readonly #parts: RelayingParts;
  readonly #relay: Relay;
  #lookedAt = 0;
  #relayedAt = 0;
  #failed = false;
  /** the outbox holds more than the last slice */
  hasMore = false;

  constructor(parts: RelayingParts) {
    this.#parts = parts;
    this.#relay = new Relay(parts);
  }

  pauseMilliseconds(isWatched: boolean, now: number): number {
    if (!isWatched) return unwatchedMilliseconds;
    return now - this.#relayedAt > idleAfterMilliseconds ? idleMilliseconds : busyMilliseconds;
  }

  /** Relays a slice if it is due. @returns whether anything was added to the feed */
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
      if (!this.#failed)
        this.#parts.log.warn('reading the outbox of a replica failed; changes by plain SQL are delayed', {
          error,
        });
      this.#failed = true;
      this.hasMore = false;
      return false;
    }
  }
}
