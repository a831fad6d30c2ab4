import { quarantineScript } from '../redis/generated/scripts.ts';
import { aggregateKeys } from './aggregate-keys.ts';
import { writeReference, type Reference } from './reference.ts';
import { failedState } from './states.ts';
import type { Site } from '../redis/site.ts';

/** Removes a pending transaction with an unreadable body from the buffer. Main must have stored its text before. */
export async function quarantine(
  { redis, keys }: Site,
  { reference, text }: { readonly reference: Reference; readonly text: string },
  reason: string,
): Promise<void> {
  await quarantineScript(
    redis,
    [
      keys.pending,
      keys.inflight,
      keys.stats,
      keys.overlaidByRecord,
      keys.transaction(reference.id),
      ...aggregateKeys(keys, reference),
    ],
    [writeReference(reference), reference.id, text, reason, failedState],
  );
}

/** Deletes a quarantined entry that this release can read, so that the buffer accepts the transaction as new. */
export async function releaseQuarantined({ redis, keys }: Site, id: string): Promise<void> {
  const mark = await redis.hget(keys.transaction(id), 'put_away');
  if (mark !== null) await redis.del(keys.transaction(id));
}
