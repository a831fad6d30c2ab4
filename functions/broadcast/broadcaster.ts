import {
  listConnections,
  readConnections,
  unregister,
  type Connection,
} from '../../lib/change-feed/connections.ts';
import { streams } from '../../lib/change-feed/append.ts';
import { readPosition, type FeedPosition } from '../../lib/change-feed/position.ts';
import { relayOutbox } from '../../lib/change-feed/relay.ts';
import type { Log } from '../../lib/observability/log.ts';
import type { Redis } from '../../lib/redis/client.ts';
import type { Keys } from '../../lib/redis/keys.ts';
import { noFloor, readFromReplica, type Replica } from '../../lib/replication/replicas.ts';
import { readTransferOverview } from '../../lib/transfer/overview.ts';
import type { Post } from './post.ts';

export interface BroadcasterParts {
  readonly redis: Redis;
  readonly keys: Keys;
  readonly replicas: readonly Replica[];
  readonly post: Post;
  readonly log: Log;
}

/** Before `$connect` has returned, posting says that the connection has gone. */
const openingMilliseconds = 10_000;
const postsAtOnce = 100;

/** What one holder of the lease knows of the connections; a new holder begins with a snapshot for each. */
export class Broadcaster {
  readonly #parts: BroadcasterParts;
  readonly #fence: number;
  readonly #newEpoch: string;
  readonly #connections = new Map<string, Connection>();
  /** state that each connection was last sent */
  readonly #sent = new Map<string, string>();
  #known: FeedPosition | undefined;
  #state = '';

  /** @param newEpoch names the feed if it has no epoch yet */
  constructor(parts: BroadcasterParts, fence: number, newEpoch: string) {
    this.#parts = parts;
    this.#fence = fence;
    this.#newEpoch = newEpoch;
  }

  /**
   * Relays, reads and sends what is new. @returns how many connections are open
   */
  async round(nowMilliseconds: number): Promise<number> {
    const { redis, keys, replicas } = this.#parts;
    await this.#look(nowMilliseconds);
    if (this.#connections.size === 0) return 0;
    await readFromReplica(replicas, noFloor, (database) => relayOutbox(redis, keys, database));
    // The position is older than the state: a client is never told of a position whose change it has not got.
    const at = await readPosition(redis, keys, streams.transfer.stream, this.#newEpoch);
    if (at.position !== this.#known?.position || at.epoch !== this.#known.epoch) {
      this.#state = JSON.stringify(await readFromReplica(replicas, noFloor, readTransferOverview));
      this.#known = at;
    }
    await this.#send(at, nowMilliseconds);
    return this.#connections.size;
  }

  async #look(nowMilliseconds: number): Promise<void> {
    const { redis, keys } = this.#parts;
    const ids = new Set(await listConnections(redis, keys, nowMilliseconds));
    for (const id of this.#connections.keys()) {
      if (ids.has(id)) continue;
      this.#connections.delete(id);
      this.#sent.delete(id);
    }
    const unknown = [...ids].filter((id) => !this.#connections.has(id));
    for (const each of await readConnections(redis, keys, unknown)) this.#connections.set(each.id, each);
  }

  async #send({ epoch, position }: FeedPosition, nowMilliseconds: number): Promise<void> {
    const behind = [...this.#connections.values()].filter(({ id }) => this.#sent.get(id) !== this.#state);
    const message = (type: 'snapshot' | 'update', channel: string) =>
      `${JSON.stringify({ type, channel, epoch, position, fence: this.#fence }).slice(0, -1)},"data":${this.#state}}`;
    for (let from = 0; from < behind.length; from += postsAtOnce) {
      await Promise.all(
        behind.slice(from, from + postsAtOnce).map(async (connection) => {
          const type = this.#sent.has(connection.id) ? 'update' : 'snapshot';
          await this.#post(connection, message(type, connection.channel), nowMilliseconds);
        }),
      );
    }
  }

  async #post(connection: Connection, message: string, nowMilliseconds: number): Promise<void> {
    const { redis, keys, post, log } = this.#parts;
    const { id, connectedAt } = connection;
    const state = this.#state;
    try {
      const outcome = await post(id, message);
      if (outcome === 'sent') {
        this.#sent.set(id, state);
      } else if (this.#sent.has(id) || nowMilliseconds - connectedAt > openingMilliseconds) {
        this.#connections.delete(id);
        this.#sent.delete(id);
        await unregister(redis, keys, id);
      }
    } catch (error) {
      log.warn('a message was not taken; the next round tries again', { error });
    }
  }
}
