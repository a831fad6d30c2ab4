/** Messages that no release could read so far, stored at main with their text for admins and for a later release. */
import { createHash } from 'node:crypto';
import * as z from 'zod/mini';
import { derivedUuid } from '../transaction/ids.ts';
import type { Database } from './connect.ts';

export interface UnreadableMessage {
  readonly body: string;
  /** the error of reading it */
  readonly reason: string;
}

/** @param body of the message; equal bodies get the same id */
export function idOfBody(body: string): string {
  return derivedUuid('unreadable', createHash('sha256').update(body).digest('hex'));
}

/** Stores messages, or counts them if they are already stored. @throws if main does not answer */
export async function storeUnreadable(main: Database, messages: readonly UnreadableMessage[]): Promise<void> {
  for (const { body, reason } of messages) {
    await main.query({
      name: 'keep-unreadable',
      text: `insert into unreadable_message as m (id, body, reason) values ($1, $2, $3)
        on conflict (id) do update set last_seen = clock_timestamp(), count = m.count + 1, reason = excluded.reason,
          outcome = nullif(m.outcome, 'read')`,
      values: [idOfBody(body), storable(body), storable(reason)],
    });
  }
}

/** Postgres rejects NUL and lone surrogates. */
const storable = (text: string) => text.replaceAll('\0', '\ufffd').toWellFormed();

const due = z.array(z.object({ id: z.string(), body: z.string() }));

/** Takes messages due for a retry: once an hour, or when an admin has requested it. @returns at most 50 */
export async function takeDueUnreadable(main: Database): Promise<z.infer<typeof due>> {
  const { rows } = await main.query(`
    update unreadable_message set tried_at = clock_timestamp() where id in (
      select id from unreadable_message
      where outcome is null and (tried_at is null or tried_at < clock_timestamp() - interval '1 hour')
      order by tried_at nulls first limit 50 for update skip locked)
    returning id, body`);
  return due.parse(rows);
}

/** @param transactionId of the transaction in the message, which main has recorded */
export async function markRead(main: Database, id: string, transactionId: string): Promise<void> {
  await main.query({
    name: 'mark-read',
    text: `update unreadable_message set outcome = 'read', transaction_id = $2 where id = $1 and outcome is null`,
    values: [id, transactionId],
  });
}
