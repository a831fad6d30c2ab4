/**
 * Relays changes made by plain SQL from the outbox of a replica into the feed, each change once.
 *
 * The outbox is ordered by (transaction, row), and is complete only below the oldest transaction still running at main. Rows above it are
 * relayed ahead of the cursor as soon as they are visible, and remembered by transaction until the cursor has passed them. So an open
 * transaction at main does not delay changes of others.
 */
import type { Database } from '../postgres/connect.ts';
import type { Redis } from '../redis/client.ts';
import type { Keys } from '../redis/keys.ts';
import { relayChangesScript } from '../redis/generated/scripts.ts';
import type { Site } from '../redis/site.ts';
import { isFull, readReplayed, readSlice, type OutboxRow } from './outbox-slice.ts';
import { isAfterInOutbox, passedBy, readRelayState, type RelayState } from './relay-state.ts';
import { isNamedInFeed } from '../table/tables.ts';
import { streams } from './streams.ts';

/** Follows the outbox. Several relays may run concurrently; one of them relays each change. */
export class Relay {
  readonly #redis: Redis;
  readonly #keys: Keys;
  #state: RelayState | undefined;
  /** position of the replica when everything had been relayed */
  #replayed: string | undefined;

  constructor({ redis, keys }: Site) {
    this.#redis = redis;
    this.#keys = keys;
  }

  /**
   * Relays one slice. Redis is called only if the replica has new rows.
   * @returns whether anything was added to the feed, and whether there may be more rows
   */
  async step(replica: Database): Promise<{ readonly hasRelayed: boolean; readonly hasMore: boolean }> {
    const replayed = await readReplayed(replica);
    if (replayed !== undefined && replayed === this.#replayed) return { hasRelayed: false, hasMore: false };
    const state = (this.#state ??= await readRelayState({ redis: this.#redis, keys: this.#keys }));
    const { rows, pruned } = await readSlice(replica, state);
    const hasMissed =
      pruned !== undefined && state.cursor !== undefined && isAfterInOutbox(pruned, state.cursor);
    const isFirst = state.cursor === undefined;
    const isNew = rows.length > 0 || hasMissed || isFirst || passedBy(state.cursor, state.ahead).length > 0;
    if (isNew) {
      this.#state = await this.#relay(state, isFirst ? [] : rows, {
        reached: reachedBy(rows, hasMissed ? pruned : state.cursor),
        hasMissed,
      });
    }
    const hasMore = isFirst || this.#state === undefined || isFull(rows);
    this.#replayed = hasMore ? undefined : replayed;
    return { hasRelayed: isNew, hasMore };
  }

  /** @returns the new state; undefined if another relay has moved on first */
  async #relay(
    { cursor = '', ahead }: RelayState,
    rows: readonly OutboxRow[],
    { reached, hasMissed }: { readonly reached: string; readonly hasMissed: boolean },
  ): Promise<RelayState | undefined> {
    const next = new Map(ahead);
    for (const { xid, id, is_settled } of rows) if (!is_settled) next.set(xid, id);
    const passed = passedBy(reached, next);
    const updates = [...next].flatMap(([xid, to]) =>
      ahead.get(xid) === to ? [] : [{ xid, from: ahead.get(xid) ?? '', to }],
    );
    for (const xid of passed) next.delete(xid);
    const { transfer, observations } = streams;
    const change = {
      expected: cursor,
      reached,
      ahead: updates,
      passed,
      ...entriesOf(rows, hasMissed),
      wakes: { transfer: transfer.wakes, observations: observations.wakes },
    };
    const answer = await relayChangesScript(
      this.#redis,
      [
        this.#keys.relay,
        this.#keys.relayAhead,
        this.#keys.feed(transfer.stream),
        this.#keys.feed(observations.stream),
      ],
      [JSON.stringify(change)],
    );
    return answer === 1 ? { cursor: reached, ahead: next } : undefined;
  }
}

/** The feed entries of these rows. */
function entriesOf(rows: readonly OutboxRow[], hasMissed: boolean) {
  const fresh = rows.filter((row) => !row.is_known);
  const named = fresh.filter((row) => isNamedInFeed(row.table_name));
  const transfer = hasMissed || named.length < fresh.length;
  const records = new Map(
    named
      .filter((row) => !row.is_reset)
      .map(({ table_name, row_id: record, left_obs_unit_id: left }) => [
        `${table_name} ${record} ${left ?? ''}`,
        {
          record,
          table: table_name === 'executed_obs_unit' ? '' : table_name,
          left: left === null ? '' : String(left),
        },
      ]),
  );
  return {
    ...(transfer && { transfer: 'changed' }),
    reset: hasMissed || named.some((row) => row.is_reset),
    records: [...records.values()],
  };
}

/** The position of the last settled row, or the position before; `0:0` for an empty outbox. */
function reachedBy(rows: readonly OutboxRow[], before: string | undefined): string {
  const last = rows.findLast((row) => row.is_settled);
  return last ? `${last.xid}:${last.id}` : (before ?? '0:0');
}
