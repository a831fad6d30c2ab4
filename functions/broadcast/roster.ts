/** Which connections are open, as their registry and the gateway have it. */
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
import type { GoesOn, Subscriptions } from './subscriptions.ts';

interface RosterParts extends Site {
  readonly isOpen: IsOpen;
}

/** A registration that the feed did not mention is found by then. */
const lookPauseMilliseconds = 60_000;
/** A connection that has taken nothing for so long is asked for: its end may not have been reported. */
const silenceMilliseconds = 60_000;
const askedAtOnce = 20;

export class Roster {
  readonly #parts: RosterParts;
  readonly #mailbox: Mailbox;
  readonly #subscriptions: Subscriptions;
  readonly #connections = new Map<string, Connection>();
  #lookedAt: number | undefined;
  /** whether what was live at the last broadcaster may go on here */
  goesOn: GoesOn | undefined;

  constructor(parts: RosterParts, mailbox: Mailbox, subscriptions: Subscriptions) {
    this.#parts = parts;
    this.#mailbox = mailbox;
    this.#subscriptions = subscriptions;
  }

  get connections(): ReadonlyMap<string, Connection> {
    return this.#connections;
  }

  /** Connections that came, went or changed what they watch. @param tail of their stream */
  async look({ entries, isBroken }: StreamTail, nowMilliseconds: number): Promise<void> {
    const changed = new Set(entries.flatMap(({ record }) => record ?? []));
    const isFirst = this.#lookedAt === undefined;
    const looksAtAll = isFirst || isBroken || nowMilliseconds - (this.#lookedAt ?? 0) > lookPauseMilliseconds;
    if (looksAtAll) {
      for (const id of await listConnections(this.#parts, nowMilliseconds)) changed.add(id);
      for (const id of this.#connections.keys()) changed.add(id);
    }
    if (changed.size > 0) {
      const found = await readConnections(this.#parts, [...changed]);
      for (const connection of found) this.#open(connection, isFirst);
      const present = new Set(found.map(({ id }) => id));
      for (const id of changed) if (!present.has(id)) this.forget(id);
    }
    if (looksAtAll) this.#lookedAt = nowMilliseconds;
  }

  #open(connection: Connection, isFirst: boolean): void {
    const { id, connectedAt } = connection;
    this.#connections.set(id, connection);
    this.#mailbox.open(id, connectedAt);
    const left = this.#subscriptions.open(connection, isFirst ? this.goesOn : undefined);
    for (const channel of left) this.#mailbox.forget(id, channel);
  }

  /** Nothing more is sent to it. */
  forget(id: string): void {
    this.#connections.delete(id);
    this.#mailbox.close(id);
    this.#subscriptions.forget(id);
  }

  /** The gateway does not have it any more. */
  async drop(id: string): Promise<void> {
    this.forget(id);
    // what is left of it ends with its life
    await unregister(this.#parts, id).catch(() => undefined);
  }

  /** The gateway reports the end of a connection at best: one that has long taken nothing is asked for. */
  askForSilent(now: number): void {
    const silent = this.#mailbox.silentSince(now - silenceMilliseconds).slice(0, askedAtOnce);
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
