import * as z from 'zod/mini';
import type { Redis } from '../redis/client.ts';
import type { Keys } from '../redis/keys.ts';

export interface FeedPosition {
  /** changes when Redis has lost the streams: positions of another epoch mean nothing */
  readonly epoch: string;
  /** id of the last entry; `0-0` before the first */
  readonly position: string;
}

const answers = z.tuple([z.unknown(), z.string(), z.array(z.tuple([z.string(), z.unknown()]))]);

/** Where a stream ends now. @param newEpoch used if there is none yet */
export async function readPosition(
  redis: Redis,
  keys: Keys,
  stream: string,
  newEpoch: string,
): Promise<FeedPosition> {
  const pipeline = redis.multi();
  pipeline.set(keys.feedEpoch, newEpoch, { nx: true });
  pipeline.get(keys.feedEpoch);
  // the typed command reorders entries by key; the last id is all that is wanted
  pipeline.eval("return redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)", [keys.feed(stream)], []);
  const [, epoch, last] = answers.parse(await pipeline.exec());
  return { epoch, position: last[0]?.[0] ?? '0-0' };
}
