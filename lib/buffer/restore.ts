/** Restores entries that Redis has lost from their copies in SQS. */
import { streams } from '../change-feed/streams.ts';
import { restoreScript } from '../redis/generated/scripts.ts';
import { hasNoFeed, type Transaction } from '../transaction/transaction.ts';
import { aggregateKeys, namedAggregates } from './aggregate-keys.ts';
import { answerKnownFrom, judgedSteps } from './judged-steps.ts';
import { writeReference } from './reference.ts';
import { restoredStates } from './states.ts';
import type { Site } from '../redis/site.ts';

/**
 * Restores the whole entry if Redis has lost it, or the body alone if main has recorded the transaction and some replica lacks it.
 * Does nothing if every replica has it. Also restores the answer to a repeated request.
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
      keys.stats,
      keys.overlaid,
      keys.overlaidByUnit,
      keys.overlaidUnknown,
      keys.overlaidByRecord,
      keys.feed(streams.observations.stream),
      keys.setAside,
      ...aggregateKeys(keys, transaction),
    ],
    [
      JSON.stringify({
        id: transaction.id,
        ...namedAggregates(transaction),
        stamp: String(transaction.stamp),
        reference: writeReference(transaction),
        principal: transaction.principal,
        now_ms: nowMilliseconds,
        has_no_feed: hasNoFeed(transaction),
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
