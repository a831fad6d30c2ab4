/** Messages of the queue `transactions`. */
import * as z from 'zod/mini';
import { parseJson } from '../values/json.ts';
import { readTransaction, type Transaction } from '../transaction/transaction.ts';

export type TransactionsMessage =
  /** a copy of a transaction, kept until main has recorded it */
  | { readonly kind: 'transaction'; readonly transaction: Transaction }
  /** a wake-up: process pending transactions */
  | { readonly kind: 'wake' };

export const wakeMessage = JSON.stringify({ kind: 'wake' });

export function transactionMessage(transaction: Transaction): string {
  return JSON.stringify({ kind: 'transaction', transaction });
}

/** A copy made from the stored text, which this release may not be able to read. */
export function storedMessage(text: string): string {
  return `{"kind":"transaction","transaction":${text}}`;
}

const envelope = z.object({ kind: z.enum(['transaction', 'wake']), transaction: z.optional(z.unknown()) });

/** @throws Error if it is not a valid message, or too deeply nested to be serialized again */
export function readTransactionsMessage(body: string): TransactionsMessage {
  const message = envelope.parse(parseJson(body));
  if (message.kind === 'wake') return { kind: 'wake' };
  const transaction = readTransaction(message.transaction);
  JSON.stringify(transaction);
  return { kind: 'transaction', transaction };
}
