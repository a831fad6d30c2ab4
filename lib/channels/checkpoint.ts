/** The positions of a broadcaster, saved for the next one. */
import * as z from 'zod/mini';
import { writeCheckpointScript } from '../redis/generated/scripts.ts';
import type { Site } from '../redis/site.ts';

const checkpoint = z.object({
  epoch: z.string(),
  /** stream → position up to which everything has been sent to every live subscription */
  positions: z.record(z.string(), z.string()),
  /** the broadcaster ended in an orderly way, and every subscriber was sent the states in `states` */
  isWhole: z.boolean(),
  states: z.record(z.string(), z.string()),
});

export type Checkpoint = z.infer<typeof checkpoint>;

export async function readCheckpoint({ redis, keys }: Site): Promise<Checkpoint | undefined> {
  const text = z.nullable(z.string()).parse(await redis.hget(keys.broadcasterCheckpoint, 'at'));
  return text === null ? undefined : checkpoint.parse(JSON.parse(text));
}

/** Does not overwrite the checkpoint of a later broadcaster. */
export async function writeCheckpoint({ redis, keys }: Site, fence: number, at: Checkpoint): Promise<void> {
  await writeCheckpointScript(redis, [keys.broadcasterCheckpoint], [fence, JSON.stringify(at)]);
}
