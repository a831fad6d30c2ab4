/** Writes back what Redis has forgotten, out of the copies that SQS kept. */
import { streams } from '../change-feed/streams.ts';
import { restoreScript } from '../redis/generated/scripts.ts';
import { isQuiet, recordIdsOf, type Transaction } from '../transaction/transaction.ts';
import { answerKnownFrom, judgedSteps } from './judged-steps.ts';
import { writeReference } from './reference.ts';
import { restoredStates } from './states.ts';
import type { Site } from '../redis/site.ts';

/**
 * Makes the buffer's entry of a transaction whole: all of it if Redis has forgotten it, its body if Redis knows that main has it
 * and not every replica does. What every replica has stays clean. With it comes what a repeated request is answered.
 */
export async function restoreEntry(
  { redis, keys }: Site,
  transaction: Transaction,
  nowMilliseconds: number,
): Promise<void> {
  const { patch, status } = answerKnownFrom(transaction);
  await restoreScript(
    redis,
    [
      keys.transaction(transaction.id),
      keys.pending,
      keys.inflight,
      keys.committed,
      keys.overlay(transaction.aggregate),
      keys.record(transaction.aggregate),
      keys.stats,
      keys.overlaid,
      keys.overlaidByUnit,
      keys.overlaidUnknown,
      keys.feed(streams.observations.stream),
      keys.setAside,
    ],
    [
      JSON.stringify({
        id: transaction.id,
        aggregate: transaction.aggregate,
        stamp: String(transaction.stamp),
        reference: writeReference(transaction),
        records: JSON.stringify(recordIdsOf(transaction)),
        principal: transaction.principal,
        now_ms: nowMilliseconds,
        quiet: isQuiet(transaction),
        wakes: streams.observations.wakes,
        ...judgedSteps(transaction, patch),
        patch,
        ...(status !== undefined && { status }),
        ...restoredStates,
      }),
      JSON.stringify(transaction),
    ],
  );
}
