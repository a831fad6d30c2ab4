/** Messages and bodies that this release cannot read: each is set aside alone, and read again by a later one. */
import { restoreEntry } from '../../lib/buffer/restore.ts';
import { releaseQuarantined, quarantine } from '../../lib/buffer/quarantine.ts';
import type { Bodies } from '../../lib/buffer/bodies.ts';
import {
  idOfBody,
  keepUnreadable,
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

/** A message that cannot be read is told apart; it stops none of the others. */
export function readMessage(body: string): ReadMessage {
  try {
    return readTransactionsMessage(body);
  } catch (error) {
    return { kind: 'unreadable', body: contentOf(body), reason: reasonOf(error) };
  }
}

/**
 * Keeps messages at main, where people see them.
 * @returns whether they are kept: the queue may forget them
 */
export async function keep(
  { main, log }: Pick<DrainParts, 'main' | 'log'>,
  messages: readonly UnreadableMessage[],
): Promise<boolean> {
  try {
    await keepUnreadable(main, messages);
  } catch (error) {
    log.warn('unreadable messages come back', { metric: 'MainUnreachable', error });
    return false;
  }
  for (const { body, reason } of messages) {
    log.error('a message cannot be read', { metric: 'UnreadableMessage', id: idOfBody(body), reason });
  }
  return true;
}

/** Moves bodies that cannot be read from the buffer to main. While main is away they stay pending. */
export async function keepBodies(parts: DrainParts, unreadable: Bodies['unreadable']): Promise<void> {
  for (const each of unreadable) {
    const reason = reasonOfText(each.text);
    const body = contentOf(each.text);
    const isKept = await keep({ main: parts.main, log: parts.log }, [{ body, reason }]);
    if (!isKept) return;
    const id = idOfBody(body);
    await quarantine(parts, each, `This release cannot read it. It is kept as ${id} and tried again.`);
  }
}

const triedSeconds = 60;

/**
 * Reads kept messages again, those that are due. What is understood by now is executed.
 * @param isAsked somebody has asked for it
 */
export async function readAgain(
  parts: DrainParts,
  isAsked: boolean,
  execute: (transactions: readonly Transaction[]) => Promise<Drained>,
): Promise<void> {
  const { redis, keys, main, now, log } = parts;
  try {
    const isFirst = await redis.set(keys.unreadableTried, '1', { nx: true, ex: triedSeconds });
    if (isFirst === null && !isAsked) return;
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
    log.warn('kept messages are tried again later', { error });
  }
}

/** The text of what a message holds, or of a body that stood in the buffer: the same for the same transaction. */
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
