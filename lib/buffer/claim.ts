/**
 * Leases: a processor claims pending transactions for a while, so that others do not send the same work to main. A lease
 * only saves work. It is the inbox at main that makes execution happen once.
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
   * of each copy, in order. `unknown`: Redis has forgotten it; `claimed`: this call has the lease; `busy`: another
   * processor has it; `recorded`: main has it already; `incomplete`: main has it, and Redis has lost its body, which readers
   * need until every replica has it
   */
  readonly copies: readonly CopyState[];
  /** claimed besides the copies: the oldest pending ones */
  readonly oldest: readonly Reference[];
  /** what is left pending */
  readonly backlog: number;
  /** nothing was claimed: another processor has found main out of reach, and looks for it */
  readonly mainIsAway: boolean;
}

/**
 * Claims the given copies and, if one of them is to be executed, up to `limit` of the oldest pending transactions, until
 * `now + leaseMilliseconds`. With `always` the oldest ones are claimed in any case.
 */
export async function claim(
  { redis, keys }: Site,
  request: {
    readonly copies: readonly Pick<Transaction, 'id' | 'aggregate'>[];
    readonly limit: number;
    readonly nowMilliseconds: number;
    readonly leaseMilliseconds: number;
    /** claim also while main is known to be out of reach, and without copies */
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
  return { copies, oldest: oldest.map(readReference), backlog, mainIsAway: isAway === 1 };
}

/** Gives claimed transactions back, so that the next processor need not wait for the lease to run out. */
export async function release(
  { redis, keys }: Site,
  references: readonly Pick<Transaction, 'stamp' | 'aggregate' | 'id'>[],
): Promise<void> {
  if (references.length === 0) return;
  await releaseScript(redis, [keys.pending, keys.inflight], references.map(writeReference));
}
