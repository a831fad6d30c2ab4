/** Messages at main that no release so far could read: kept with their text, for people and for a later release. */
import { createHash } from 'node:crypto';
import * as z from 'zod/mini';
import { derivedUuid } from '../transaction/ids.ts';
import type { Database } from './connect.ts';

export interface UnreadableMessage {
  readonly body: string;
  /** why it cannot be read */
  readonly reason: string;
}

/** @param body of the message: equal bodies are one message */
export function idOfBody(body: string): string {
  return derivedUuid('unreadable', createHash('sha256').update(body).digest('hex'));
}

/** Keeps messages; one that is kept already is counted. @throws if main does not answer */
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

/** Postgres keeps neither a NUL nor half a surrogate pair. */
const storable = (text: string) => text.replaceAll('\0', '\ufffd').toWellFormed();

const due = z.array(z.object({ id: z.string(), body: z.string() }));

/** Those that are to be tried: once an hour, and when somebody has asked for it. @returns at most 50 */
export async function takeDueUnreadable(main: Database): Promise<z.infer<typeof due>> {
  const { rows } = await main.query(`
    update unreadable_message set tried_at = clock_timestamp() where id in (
      select id from unreadable_message
      where outcome is null and (tried_at is null or tried_at < clock_timestamp() - interval '1 hour')
      order by tried_at nulls first limit 50 for update skip locked)
    returning id, body`);
  return due.parse(rows);
}

/** @param transactionId that the message turned out to hold; it is recorded by now */
export async function markRead(main: Database, id: string, transactionId: string): Promise<void> {
  await main.query({
    name: 'mark-read',
    text: `update unreadable_message set outcome = 'read', transaction_id = $2 where id = $1 and outcome is null`,
    values: [id, transactionId],
  });
}
