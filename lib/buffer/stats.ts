import * as z from 'zod/mini';
import type { Keys } from '../redis/keys.ts';
import type { Redis } from '../redis/client.ts';

export interface BufferStats {
  /** accepted, not yet recorded by main */
  readonly size: number;
  /** recorded by main, not yet seen at every replica */
  readonly committed: number;
  readonly bytes: number;
  readonly oldestStamp?: number;
  /** false while main is known to be out of reach */
  readonly mainInReach: boolean;
}

const answers = z.tuple([
  z.int(),
  z.int(),
  z.int(),
  z.nullable(z.string()),
  z.int(),
  z.array(z.string()),
  z.array(z.string()),
]);

/** One round trip. */
export async function readBufferStats(redis: Redis, keys: Keys): Promise<BufferStats> {
  const pipeline = redis.pipeline();
  pipeline.zcard(keys.pending);
  pipeline.zcard(keys.inflight);
  pipeline.zcard(keys.committed);
  pipeline.hget(keys.stats, 'bytes');
  pipeline.exists(keys.mainDown);
  pipeline.zrange(keys.pending, 0, 0);
  pipeline.zrange(keys.inflight, 0, 0);
  const [pending, inflight, committed, bytes, mainDown, firstPending, firstInflight] = answers.parse(
    await pipeline.exec(),
  );
  const stamps = [...firstPending, ...firstInflight].map((reference) => Number(reference.split(':')[0]));
  return {
    size: pending + inflight,
    committed,
    bytes: Number(bytes ?? 0),
    ...(stamps.length > 0 && { oldestStamp: Math.min(...stamps) }),
    mainInReach: mainDown === 0,
  };
}
