/**
 * Relays what others changed at main, from the outbox as a replica shows it, into the feed: each change once.
 *
 * The order of an outbox is (transaction, row), and it is complete only below the oldest transaction that still runs at main.
 * Rows above it are relayed as soon as they are visible, ahead of the cursor, and remembered by transaction until the cursor
 * has passed them: an open transaction at main holds back nothing of others.
 */
import * as z from 'zod/mini';
import type { Database } from '../postgres/connect.ts';
import type { Redis } from '../redis/client.ts';
import { redisHash } from '../redis/hash.ts';
import type { Keys } from '../redis/keys.ts';
import { relayChangesScript } from '../redis/generated/scripts.ts';
import { parseInstant } from '../values/instant.ts';
import { streams } from './streams.ts';
import type { Site } from '../redis/site.ts';

/** A slice is small, so that what the site itself has accepted meanwhile waits for no more than one. */
const sliceRows = 200;
/** Transactions that are remembered ahead of the cursor; beyond them changes wait for the oldest open transaction. */
const aheadAtMost = 5000;

const outboxRow = z.object({
  xid: z.string(),
  id: z.string(),
  table_name: z.string(),
  row_id: z.string(),
  left_obs_unit_id: z.nullable(z.int()),
  is_reset: z.boolean(),
  /** no transaction that still runs can write a row before it */
  is_settled: z.boolean(),
  /** it was relayed ahead of the cursor */
  is_known: z.boolean(),
});
type OutboxRow = z.infer<typeof outboxRow>;

/** Where the relay is. */
interface State {
  /** `transaction:row`; undefined before the first relay */
  readonly cursor: string | undefined;
  /** transaction → last row relayed ahead of the cursor */
  readonly ahead: ReadonlyMap<string, string>;
}

const storedState = z.tuple([z.nullable(z.string()), redisHash]);

async function readState({ redis, keys }: Site): Promise<State> {
  const pipeline = redis.pipeline();
  pipeline.get(keys.relay);
  pipeline.hgetall(keys.relayAhead);
  const [cursor, ahead] = storedState.parse(await pipeline.exec());
  return { cursor: cursor ?? undefined, ahead: new Map(Object.entries(ahead ?? {})) };
}

/** Follows the outbox. Several may do so at once: each change is relayed by one of them. */
export class Relay {
  readonly #redis: Redis;
  readonly #keys: Keys;
  #state: State | undefined;
  /** the replica's position when nothing was left to relay */
  #replayed: string | undefined;

  constructor({ redis, keys }: Site) {
    this.#redis = redis;
    this.#keys = keys;
  }

  /**
   * Relays one slice. Redis is asked only if the replica shows something new.
   * @returns whether the feed has got something, and whether there may be more
   */
  async step(replica: Database): Promise<{ readonly hasRelayed: boolean; readonly hasMore: boolean }> {
    const replayed = await readReplayed(replica);
    if (replayed !== undefined && replayed === this.#replayed) return { hasRelayed: false, hasMore: false };
    const state = (this.#state ??= await readState({ redis: this.#redis, keys: this.#keys }));
    const { rows, pruned } = await readSlice(replica, state);
    const hasMissed = pruned !== undefined && state.cursor !== undefined && isAfter(pruned, state.cursor);
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

  /** @returns where the relay is then; undefined if another was there first */
  async #relay(
    { cursor = '', ahead }: State,
    rows: readonly OutboxRow[],
    { reached, hasMissed }: { readonly reached: string; readonly hasMissed: boolean },
  ): Promise<State | undefined> {
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

/** What the feed gets of these rows. */
function entriesOf(rows: readonly OutboxRow[], hasMissed: boolean) {
  const fresh = rows.filter((row) => !row.is_known);
  const units = fresh.filter((row) => row.table_name === 'executed_obs_unit');
  const transfer = hasMissed || units.length < fresh.length;
  const records = new Map(
    units
      .filter((row) => !row.is_reset)
      .map(({ row_id: record, left_obs_unit_id: left }) => [
        `${record} ${left ?? ''}`,
        { record, left: left === null ? '' : String(left) },
      ]),
  );
  return {
    ...(transfer && { transfer: 'changed' }),
    reset: hasMissed || units.some((row) => row.is_reset),
    records: [...records.values()],
  };
}

/** The last settled row, or where the relay was; `0:0` of an outbox that is empty. */
function reachedBy(rows: readonly OutboxRow[], before: string | undefined): string {
  const last = rows.findLast((row) => row.is_settled);
  return last ? `${last.xid}:${last.id}` : (before ?? '0:0');
}

/** Transactions that need not be remembered any more. */
function passedBy(cursor: string | undefined, ahead: ReadonlyMap<string, string>): string[] {
  if (cursor === undefined) return [];
  return [...ahead].filter(([xid, id]) => !isAfter(`${xid}:${id}`, cursor)).map(([xid]) => xid);
}

function isFull(rows: readonly OutboxRow[]): boolean {
  const settled = rows.filter((row) => row.is_settled).length;
  return settled === sliceRows || rows.length - settled === sliceRows;
}

/** In the order of the outbox. */
function isAfter(position: string, other: string): boolean {
  const [[xid = 0n, id = 0n] = [], [otherXid = 0n, otherId = 0n] = []] = [position, other].map((each) =>
    each.split(':').map(BigInt),
  );
  return xid > otherXid || (xid === otherXid && id > otherId);
}

const positionRow = z.array(z.object({ lsn: z.nullable(z.string()) }));

/** @returns undefined if it is not a standby: there is nothing to compare */
async function readReplayed(replica: Database): Promise<string | undefined> {
  const { rows } = await replica.query({
    name: 'relay-replayed',
    text: 'select pg_last_wal_replay_lsn()::text as lsn',
  });
  return positionRow.parse(rows)[0]?.lsn ?? undefined;
}

const slice = z.tuple([z.object({ rows: z.nullable(z.array(outboxRow)), pruned: z.nullable(z.string()) })]);
const columns = 'o.xid::text, o.id::text, o.table_name, o.row_id, o.left_obs_unit_id, o.is_reset';

/** A first relay begins at the end: what was changed before is in the snapshots. */
async function readSlice(replica: Database, { cursor, ahead }: State) {
  const settled = 'o.xid < pg_snapshot_xmin(pg_current_snapshot())';
  const { rows } =
    cursor === undefined
      ? await replica.query({
          name: 'relay-end',
          text: `
            select (select jsonb_agg(to_jsonb(e)) from (
              select ${columns}, true as is_settled, true as is_known from change_outbox o
              where ${settled} order by o.xid desc, o.id desc limit 1) e) as rows, null as pruned`,
        })
      : await replica.query({
          name: 'relay-slice',
          text: `
            with ahead as materialized (
              select * from unnest($3::text[]::xid8[], $4::text[]::bigint[]) as known (xid, last)
            )
            select (select jsonb_agg(to_jsonb(e)) from (
              (select ${columns}, true as is_settled, coalesce(o.id <= a.last, false) as is_known
                from change_outbox o left join ahead a on a.xid = o.xid
                where (o.xid, o.id) > ($1::text::xid8, $2::bigint) and ${settled}
                order by o.xid, o.id limit ${sliceRows})
              union all
              (select ${columns}, false, false from change_outbox o left join ahead a on a.xid = o.xid
                where o.xid >= pg_snapshot_xmin(pg_current_snapshot()) and o.xid >= $1::text::xid8
                  and (a.last is null and $5::boolean or o.id > a.last)
                order by o.xid, o.id limit ${sliceRows})) e) as rows,
              (select xid::text || ':' || id from change_outbox_pruned) as pruned`,
          values: [...cursor.split(':'), [...ahead.keys()], [...ahead.values()], ahead.size < aheadAtMost],
        });
  const [found] = slice.parse(rows);
  return { rows: found.rows ?? [], pruned: found.pruned ?? undefined };
}

export interface RelayLag {
  /** since when the oldest change waits that could be relayed */
  readonly waiting_since: string | null;
  /** since when, at least, a transaction at main is open that the relay's order waits for */
  readonly held_since: string | null;
}

const lagRow = z.tuple([z.object({ waiting: z.nullable(z.string()), held: z.nullable(z.string()) })]);

/** How far the relay is behind, as a replica shows it. Instants, so that nothing changes by time alone. */
export async function readRelayLag(site: Site, replica: Database): Promise<RelayLag> {
  const { cursor, ahead } = await readState(site);
  if (cursor === undefined) return { waiting_since: null, held_since: null };
  const { rows } = await replica.query({
    name: 'relay-lag',
    text: `
      with ahead as materialized (
        select * from unnest($3::text[]::xid8[], $4::text[]::bigint[]) as known (xid, last)
      )
      select (select to_jsonb(o.changed_at) #>> '{}' from change_outbox o left join ahead a on a.xid = o.xid
          where (o.xid, o.id) > ($1::text::xid8, $2::bigint) and (a.last is null or o.id > a.last)
          order by o.xid, o.id limit 1) as waiting,
        (select to_jsonb(min(o.changed_at)) #>> '{}' from change_outbox o join ahead a on a.xid = o.xid
          where (o.xid, o.id) > ($1::text::xid8, $2::bigint)) as held`,
    values: [...cursor.split(':'), [...ahead.keys()], [...ahead.values()]],
  });
  const [{ waiting, held }] = lagRow.parse(rows);
  return { waiting_since: instant(waiting), held_since: instant(held) };
}

function instant(text: string | null): string | null {
  return text === null ? null : (parseInstant(text)?.instant ?? null);
}
