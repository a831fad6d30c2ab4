/** Keeps track of the open connections, by the registry in Redis and by API Gateway. */
import type { StreamTail } from '../../lib/channels/read.ts';
import {
  listConnections,
  readConnections,
  unregister,
  type Connection,
} from '../../lib/sockets/connections.ts';
import type { IsOpen } from '../../lib/sockets/post.ts';
import type { Site } from '../../lib/redis/site.ts';
import type { Mailbox } from './mailbox.ts';
import type { Continuation, Subscriptions } from './subscriptions.ts';

interface RosterParts extends Site {
  readonly isOpen: IsOpen;
}

/** The whole registry is read this often, in case the feed has missed a registration. */
const fullReadMilliseconds = 60_000;
/** A connection without a successful post for this long is checked, since its end may not have been reported. */
const silenceMilliseconds = 60_000;
const checksAtOnce = 20;

export class Roster {
  readonly #parts: RosterParts;
  readonly #mailbox: Mailbox;
  readonly #subscriptions: Subscriptions;
  readonly #connections = new Map<string, Connection>();
  #fullReadAt: number | undefined;
  /** how subscriptions that were live at the last broadcaster continue here */
  continuation: Continuation | undefined;

  constructor(parts: RosterParts, mailbox: Mailbox, subscriptions: Subscriptions) {
    this.#parts = parts;
    this.#mailbox = mailbox;
    this.#subscriptions = subscriptions;
  }

  get connections(): ReadonlyMap<string, Connection> {
    return this.#connections;
  }

  /** Reads connections that were opened, closed or have changed their subscriptions. @param tail of the connections' stream */
  async update({ entries, isBroken }: StreamTail, nowMilliseconds: number): Promise<void> {
    const changed = new Set(entries.flatMap(({ record }) => record ?? []));
    const isFirst = this.#fullReadAt === undefined;
    const isFullRead =
      isFirst || isBroken || nowMilliseconds - (this.#fullReadAt ?? 0) > fullReadMilliseconds;
    if (isFullRead) {
      for (const id of await listConnections(this.#parts, nowMilliseconds)) changed.add(id);
      for (const id of this.#connections.keys()) changed.add(id);
    }
    if (changed.size > 0) {
      const found = await readConnections(this.#parts, [...changed]);
      for (const connection of found) this.#open(connection, isFirst);
      const present = new Set(found.map(({ id }) => id));
      for (const id of changed) if (!present.has(id)) this.forget(id);
    }
    if (isFullRead) this.#fullReadAt = nowMilliseconds;
  }

  #open(connection: Connection, isFirst: boolean): void {
    const { id, connectedAt } = connection;
    this.#connections.set(id, connection);
    this.#mailbox.open(id, connectedAt);
    const left = this.#subscriptions.open(connection, isFirst ? this.continuation : undefined);
    for (const channel of left) this.#mailbox.forget(id, channel);
  }

  /** Stops sending messages to a connection. */
  forget(id: string): void {
    this.#connections.delete(id);
    this.#mailbox.close(id);
    this.#subscriptions.forget(id);
  }

  /** Removes a connection that API Gateway no longer has. */
  async drop(id: string): Promise<void> {
    this.forget(id);
    // if this fails, the registration expires
    await unregister(this.#parts, id).catch(() => undefined);
  }

  /** Checks connections without a recent post: API Gateway does not report every disconnect. */
  checkSilent(now: number): void {
    const silent = this.#mailbox.silentSince(now - silenceMilliseconds).slice(0, checksAtOnce);
    for (const id of silent) {
      this.#mailbox.reached(id);
      const connection = this.#connections.get(id);
      if (!connection || now - connection.connectedAt < silenceMilliseconds) continue;
      void this.#parts
        .isOpen(id)
        .then((isOpen) => (isOpen ? undefined : this.drop(id)))
        .catch(() => undefined);
    }
  }
}
