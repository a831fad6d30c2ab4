/** Where a broadcaster has got to, for the next one. */
import * as z from 'zod/mini';
import { writeCheckpointScript } from '../redis/generated/scripts.ts';
import type { Site } from '../redis/site.ts';

const checkpoint = z.object({
  epoch: z.string(),
  /** of each stream: everything up to here has been sent to every live subscription */
  positions: z.record(z.string(), z.string()),
  /** its writer has ended in order: every subscriber has been sent the states in `states` */
  isWhole: z.boolean(),
  states: z.record(z.string(), z.string()),
});

export type Checkpoint = z.infer<typeof checkpoint>;

export async function readCheckpoint({ redis, keys }: Site): Promise<Checkpoint | undefined> {
  const text = z.nullable(z.string()).parse(await redis.hget(keys.broadcasterCheckpoint, 'at'));
  return text === null ? undefined : checkpoint.parse(JSON.parse(text));
}

/** A later broadcaster's is kept. */
export async function writeCheckpoint({ redis, keys }: Site, fence: number, at: Checkpoint): Promise<void> {
  await writeCheckpointScript(redis, [keys.broadcasterCheckpoint], [fence, JSON.stringify(at)]);
}
