/** Where an accepted transaction is: what the buffer knows and what main has said, whichever is further. */
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
  /** an admin has given it up; main has not judged that yet, and its effect is still shown */
  readonly discard?: 'requested';
  readonly history: readonly { readonly at: string; readonly state: TransactionState }[];
  /** what could not be looked at: the buffer alone has answered */
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
  discard: z.optional(z.string()),
});
const history = z.array(z.object({ at: z.number(), state }));
const ids = z.array(z.string());

/** A transaction as the buffer has it. */
export type BufferedTransaction = z.infer<typeof entry>;

/** What HGETALL of a transaction's hash answers. */
export function readBufferedTransaction(answer: unknown): BufferedTransaction | undefined {
  const hash = redisHash.parse(answer);
  return hash === null ? undefined : entry.parse(hash);
}

/** @throws ReplicaUnavailable if no replica answers and the buffer does not know it */
export async function readTransactionStatus(
  parts: SmartQueryParts,
  id: string,
): Promise<TransactionStatus | undefined> {
  const asked = readBuffered(parts, id);
  try {
    const { recorded, unreadable } = await readFromReplica(parts.replicas, asked, async (database) => {
      const { rows } = await database.query({
        name: 'inbox-row',
        text: 'select to_jsonb(i) as row from inbox i where transaction_id = $1',
        values: [id],
      });
      const [found] = z.array(z.object({ row: z.unknown() })).parse(rows);
      if (found) return { recorded: readInboxRow(found.row), unreadable: undefined };
      return { recorded: undefined, unreadable: await findUnreadable(database, id) };
    });
    return statusOf(id, (await asked).buffered, recorded) ?? unreadable?.status;
  } catch (error) {
    const status = statusOf(id, (await asked).buffered, undefined);
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

/** Pure. What main says counts from the moment that the site can see it. */
export function statusOf(
  id: string,
  buffered: z.infer<typeof entry> | undefined,
  recorded: InboxRow | undefined,
): TransactionStatus | undefined {
  if (!buffered) return recorded && statusOfRow(id, recorded);
  const seen = recorded !== undefined && recorded.revision >= buffered.revision;
  const said = seen ? replicatedStateOf(recorded) : buffered.state;
  const told = history.parse(JSON.parse(buffered.history)).map((each) => ({
    at: instantOfMilliseconds(each.at),
    state: each.state,
  }));
  const reason = seen ? (recorded.reason ?? '') : (buffered.reason ?? '');
  return {
    transaction_id: id,
    record_ids: ids.parse(JSON.parse(buffered.records)),
    state: said,
    ...(buffered.lsn && { lsn: buffered.lsn }),
    attempts: Math.max(buffered.attempts, recorded?.attempts ?? 0),
    ...(reason !== '' && { reason }),
    ...(buffered.discard !== undefined && isUndecided(said) && { discard: 'requested' as const }),
    history: told,
  };
}

/** Whether main could still give it up. */
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
    history: [{ at: databaseInstant(row.changedAt) ?? row.changedAt, state: now }],
  };
}

function replicatedStateOf(row: InboxRow): TransactionState {
  const said = stateOfInbox(row);
  return said === 'committed' ? 'replicated' : said;
}
