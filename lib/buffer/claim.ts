/**
 * Leases: a processor claims pending transactions for a limited time, so that others do not send the same work to main. A lease
 * only saves work; the inbox at main ensures that a transaction is executed once.
 */
import * as z from 'zod/mini';
import { claimScript, releaseScript } from '../redis/generated/scripts.ts';
import type { Transaction } from '../transaction/transaction.ts';
import { readReference, writeReference, type Reference } from './reference.ts';
import { lostOutcome } from './states.ts';
import type { Site } from '../redis/site.ts';

const copyState = z.enum(['unknown', 'claimed', 'busy', 'recorded', 'incomplete']);
export type CopyState = z.infer<typeof copyState>;

const claimAnswer = z.tuple([z.array(copyState), z.array(z.string()), z.int(), z.int()]);

export interface Claims {
  /**
   * State of each copy, in order:
   * - `unknown`: Redis has lost it
   * - `claimed`: this call holds the lease
   * - `busy`: another processor holds the lease
   * - `recorded`: main has recorded it
   * - `incomplete`: main has recorded it, and Redis has lost its body, which reads need until every replica has it
   */
  readonly copies: readonly CopyState[];
  /** the oldest pending transactions, claimed in addition to the copies */
  readonly oldest: readonly Reference[];
  /** number of transactions still pending */
  readonly backlog: number;
  /** nothing was claimed: another processor has found main unreachable and probes it */
  readonly isMainUnreachable: boolean;
}

/**
 * Claims the given copies until `now + leaseMilliseconds`. If one of them must be executed, also claims up to `limit` of the oldest
 * pending transactions.
 */
export async function claim(
  { redis, keys }: Site,
  request: {
    readonly copies: readonly Pick<Transaction, 'id' | 'aggregate'>[];
    readonly limit: number;
    readonly nowMilliseconds: number;
    readonly leaseMilliseconds: number;
    /** also claims the oldest transactions without copies, and while main is marked as unreachable */
    readonly always: boolean;
  },
): Promise<Claims> {
  const answer = await claimScript(
    redis,
    [
      keys.pending,
      keys.inflight,
      keys.mainDown,
      keys.committed,
      ...request.copies.flatMap(({ id, aggregate }) => [keys.transaction(id), keys.overlay(aggregate)]),
    ],
    [
      request.nowMilliseconds,
      request.nowMilliseconds + request.leaseMilliseconds,
      request.limit,
      request.always ? 'always' : 'unless main is away',
      lostOutcome,
    ],
  );
  const [copies, oldest, backlog, isAway] = claimAnswer.parse(answer);
  return { copies, oldest: oldest.map(readReference), backlog, isMainUnreachable: isAway === 1 };
}

/** Returns claimed transactions to pending, so that the next processor need not wait until the lease expires. */
export async function release(
  { redis, keys }: Site,
  references: readonly Pick<Transaction, 'stamp' | 'aggregate' | 'aggregates' | 'id'>[],
): Promise<void> {
  if (references.length === 0) return;
  await releaseScript(redis, [keys.pending, keys.inflight], references.map(writeReference));
}
