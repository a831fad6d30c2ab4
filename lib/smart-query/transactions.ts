/** The status of an accepted transaction: from the buffer or from main's inbox, whichever is more recent. */
import * as z from 'zod/mini';
import { readInboxRow, type InboxRow } from '../postgres/inbox.ts';
import { lifecycle, stateOfInbox, states, type State } from '../transaction/lifecycle.ts';
import { redisHash } from '../redis/hash.ts';
import { ReplicaUnavailable } from '../replication/errors.ts';
import { readFromReplica } from '../replication/replicas.ts';
import type { SmartQueryParts } from './snapshot.ts';
import { findUnreadable } from './unreadable.ts';
import type { Site } from '../redis/site.ts';
import { databaseInstant } from '../values/database-instant.ts';
import { instantOfMilliseconds } from '../values/instant.ts';

export type TransactionState = State;

export interface TransactionStatus {
  readonly transaction_id: string;
  readonly record_ids: readonly string[];
  readonly state: TransactionState;
  readonly lsn?: string;
  readonly attempts: number;
  readonly reason?: string;
  /** `<table>:<id>` of a row that others must bring before it can be applied */
  readonly waits_for?: string;
  /** an admin has discarded it; main has not recorded the discard yet, and reads still show its effect */
  readonly discard?: 'requested';
  readonly history: readonly { readonly at: string; readonly state: TransactionState }[];
  /** the store that could not be read: the status comes from the buffer alone */
  readonly unseen?: 'replica';
}

const state = z.enum(states);
const integer = z.pipe(z.string(), z.transform(Number));

const entry = z.object({
  state,
  records: z.string(),
  revision: integer,
  attempts: integer,
  history: z.string(),
  lsn: z.optional(z.string()),
  reason: z.optional(z.string()),
  waits_for: z.optional(z.string()),
  discard: z.optional(z.string()),
});
const history = z.array(z.object({ at: z.number(), state }));
const ids = z.array(z.string());

/** A transaction in the buffer. */
export type BufferedTransaction = z.infer<typeof entry>;

/** Parses the answer of HGETALL for a transaction. */
export function readBufferedTransaction(answer: unknown): BufferedTransaction | undefined {
  const hash = redisHash.parse(answer);
  return hash === null ? undefined : entry.parse(hash);
}

/** @throws ReplicaUnavailable if no replica answers and the buffer does not contain the transaction */
export async function readTransactionStatus(
  parts: SmartQueryParts,
  id: string,
): Promise<TransactionStatus | undefined> {
  const pendingEntry = readBuffered(parts, id);
  try {
    const { recorded, unreadable } = await readFromReplica(parts.replicas, pendingEntry, async (database) => {
      const { rows } = await database.query({
        name: 'inbox-row',
        text: 'select to_jsonb(i) as row from inbox i where transaction_id = $1',
        values: [id],
      });
      const [found] = z.array(z.object({ row: z.unknown() })).parse(rows);
      if (found) return { recorded: readInboxRow(found.row), unreadable: undefined };
      return { recorded: undefined, unreadable: await findUnreadable(database, id) };
    });
    return statusOf(id, (await pendingEntry).buffered, recorded) ?? unreadable?.status;
  } catch (error) {
    const status = statusOf(id, (await pendingEntry).buffered, undefined);
    if (!(error instanceof ReplicaUnavailable) || !status) throw error;
    return { ...status, unseen: 'replica' };
  }
}

async function readBuffered({ redis, keys }: Site, id: string) {
  const pipeline = redis.pipeline();
  pipeline.hgetall(keys.transaction(id));
  pipeline.get(keys.floor);
  const [answer, floor] = await pipeline.exec<[unknown, string | null]>();
  return { buffered: readBufferedTransaction(answer), floor: BigInt(floor ?? 0) };
}

/** Pure. An inbox row counts if its revision is not older than the buffer's. */
export function statusOf(
  id: string,
  buffered: z.infer<typeof entry> | undefined,
  recorded: InboxRow | undefined,
): TransactionStatus | undefined {
  if (!buffered) return recorded && statusOfRow(id, recorded);
  const isRecorded = recorded !== undefined && recorded.revision >= buffered.revision;
  const current = isRecorded ? replicatedStateOf(recorded) : buffered.state;
  const reason = isRecorded ? (recorded.reason ?? '') : (buffered.reason ?? '');
  return {
    transaction_id: id,
    record_ids: ids.parse(JSON.parse(buffered.records)),
    state: current,
    ...(buffered.lsn && { lsn: buffered.lsn }),
    attempts: Math.max(buffered.attempts, recorded?.attempts ?? 0),
    ...(reason !== '' && { reason }),
    ...waitOf(current, isRecorded ? recorded.waitsFor : buffered.waits_for),
    ...(buffered.discard !== undefined && isUndecided(current) && { discard: 'requested' as const }),
    history: history.parse(JSON.parse(buffered.history)).map((each) => ({
      at: instantOfMilliseconds(each.at),
      state: each.state,
    })),
  };
}

/** Whether a discard would still have an effect at main. */
export function isUndecided(state: State): boolean {
  return state === 'buffered' || lifecycle[state].isSetAside;
}

function statusOfRow(id: string, row: InboxRow): TransactionStatus {
  const now = replicatedStateOf(row);
  return {
    transaction_id: id,
    record_ids: row.recordIds,
    state: now,
    attempts: row.attempts,
    ...(row.reason !== null && { reason: row.reason }),
    ...waitOf(now, row.waitsFor),
    history: [{ at: databaseInstant(row.changedAt) ?? row.changedAt, state: now }],
  };
}

/** What it waits for; an admin's retry is not something that others bring. */
function waitOf(current: State, waitsFor: string | null | undefined): { readonly waits_for?: string } {
  const isPossible = isUndecided(current) && waitsFor !== 'retry';
  return isPossible && waitsFor ? { waits_for: waitsFor } : {};
}

function replicatedStateOf(row: InboxRow): TransactionState {
  const recorded = stateOfInbox(row);
  return recorded === 'committed' ? 'replicated' : recorded;
}
