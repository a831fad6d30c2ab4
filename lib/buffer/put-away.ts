import { putAwayScript } from '../redis/generated/scripts.ts';
import { writeReference, type Reference } from './reference.ts';
import { failedState } from './states.ts';
import type { Site } from '../redis/site.ts';

/** Takes a pending transaction whose body cannot be read out of the buffer. Main must have kept its text before. */
export async function putAway(
  { redis, keys }: Site,
  { reference, text }: { readonly reference: Reference; readonly text: string },
  reason: string,
): Promise<void> {
  await putAwayScript(
    redis,
    [
      keys.pending,
      keys.inflight,
      keys.stats,
      keys.transaction(reference.id),
      keys.overlay(reference.aggregate),
    ],
    [writeReference(reference), reference.id, text, reason, failedState],
  );
}

/** Forgets what was put away, so that the buffer takes it as new: it can be read now. */
export async function bringBack({ redis, keys }: Site, id: string): Promise<void> {
  const isPutAway = await redis.hget(keys.transaction(id), 'put_away');
  if (isPutAway !== null) await redis.del(keys.transaction(id));
}
