/** Stores messages and bodies that this release cannot read at main, and retries them, since a later release may read them. */
import { restoreEntry } from '../../lib/buffer/restore.ts';
import { releaseQuarantined, quarantine } from '../../lib/buffer/quarantine.ts';
import type { Bodies } from '../../lib/buffer/bodies.ts';
import {
  idOfBody,
  storeUnreadable,
  markRead,
  takeDueUnreadable,
  type UnreadableMessage,
} from '../../lib/postgres/unreadable.ts';
import { readTransactionsMessage, type TransactionsMessage } from '../../lib/queue/messages.ts';
import type { Transaction } from '../../lib/transaction/transaction.ts';
import { readTransaction } from '../../lib/transaction/transaction.ts';
import { isJsonObject, parseJson } from '../../lib/values/json.ts';
import type { Drained, DrainParts } from './drain.ts';

export type ReadMessage = TransactionsMessage | ({ readonly kind: 'unreadable' } & UnreadableMessage);

/** Classifies a message, so that an unreadable one does not block the others of its batch. */
export function readMessage(body: string): ReadMessage {
  try {
    return readTransactionsMessage(body);
  } catch (error) {
    return { kind: 'unreadable', body: contentOf(body), reason: reasonOf(error) };
  }
}

/**
 * Stores messages at main, where admins can list them.
 * @returns whether they are stored and can be deleted from the queue
 */
export async function storeMessages(
  { main, log }: Pick<DrainParts, 'main' | 'log'>,
  messages: readonly UnreadableMessage[],
): Promise<boolean> {
  try {
    await storeUnreadable(main, messages);
  } catch (error) {
    log.warn('storing unreadable messages failed; they return to the queue', {
      metric: 'MainUnreachable',
      error,
    });
    return false;
  }
  for (const { body, reason } of messages) {
    log.error('a message cannot be read', { metric: 'UnreadableMessage', id: idOfBody(body), reason });
  }
  return true;
}

/** Moves unreadable bodies from the buffer to main. While main is unreachable they stay pending. */
export async function quarantineBodies(parts: DrainParts, unreadable: Bodies['unreadable']): Promise<void> {
  for (const each of unreadable) {
    const reason = reasonOfText(each.text);
    const body = contentOf(each.text);
    const isStored = await storeMessages({ main: parts.main, log: parts.log }, [{ body, reason }]);
    if (!isStored) return;
    const id = idOfBody(body);
    await quarantine(parts, each, `This release cannot read it. It is stored as ${id} and will be retried.`);
  }
}

const retrySeconds = 60;

/**
 * Retries stored messages that are due, and executes those that this release can read.
 * @param isForced an admin has requested a retry
 */
export async function retryUnreadable(
  parts: DrainParts,
  isForced: boolean,
  execute: (transactions: readonly Transaction[]) => Promise<Drained>,
): Promise<void> {
  const { redis, keys, main, now, log } = parts;
  try {
    const isFirst = await redis.set(keys.unreadableTried, '1', { nx: true, ex: retrySeconds });
    if (isFirst === null && !isForced) return;
    const read = (await takeDueUnreadable(main)).flatMap(({ id, body }) => {
      const transaction = readStored(body);
      return transaction ? [{ id, transaction }] : [];
    });
    if (read.length === 0) return;
    for (const { transaction } of read) {
      await releaseQuarantined(parts, transaction.id);
      await restoreEntry(parts, transaction, now());
    }
    const { copies } = await execute(read.map(({ transaction }) => transaction));
    for (const [index, { id, transaction }] of read.entries()) {
      if (copies[index] === 'recorded') await markRead(main, id, transaction.id);
    }
  } catch (error) {
    log.warn('retrying stored messages failed; they are retried later', { error });
  }
}

/** The text of a transaction, from a message or from a body of the buffer: the same text for the same transaction. */
function contentOf(text: string): string {
  try {
    const json = parseJson(text);
    return JSON.stringify(isJsonObject(json) && 'transaction' in json ? json.transaction : json);
  } catch {
    return text;
  }
}

function readStored(text: string): Transaction | undefined {
  try {
    return readTransaction(parseJson(text));
  } catch {
    return undefined;
  }
}

function reasonOfText(text: string): string {
  try {
    readTransaction(parseJson(text));
    return 'it can be read';
  } catch (error) {
    return reasonOf(error);
  }
}

function reasonOf(error: unknown): string {
  return (error instanceof Error ? `${error.name}: ${error.message}` : String(error)).slice(0, 1000);
}
