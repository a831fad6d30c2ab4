import * as z from 'zod/mini';
import { readReference } from './reference.ts';
import type { Site } from '../redis/site.ts';

export interface BufferStats {
  /** accepted, not yet recorded by main */
  readonly size: number;
  /** recorded by main, not yet confirmed at every replica */
  readonly committed: number;
  readonly bytes: number;
  readonly oldestStamp?: number;
  /** recorded by main in the last minute, on average */
  readonly drainedPerSecond: number;
  /** the newest commit that the site knows of */
  readonly newestLsn: bigint;
  /** false while main is marked as unreachable */
  readonly isMainReachable: boolean;
  /** main has answered in the last minutes but recorded no transaction */
  readonly hasNoProgress: boolean;
}

const answers = z.tuple([
  z.int(),
  z.int(),
  z.int(),
  z.nullable(z.string()),
  z.int(),
  z.array(z.string()),
  z.array(z.string()),
  z.nullable(z.string()),
  z.array(z.string()),
  z.array(z.nullable(z.string())),
  z.int(),
]);

/** One round trip. */
export async function readBufferStats({ redis, keys }: Site, nowMilliseconds: number): Promise<BufferStats> {
  const tenSeconds = Math.floor(nowMilliseconds / 10_000);
  const lastMinute = [1, 2, 3, 4, 5, 6].map((ago) => keys.drained(tenSeconds - ago));
  const pipeline = redis.pipeline();
  pipeline.zcard(keys.pending);
  pipeline.zcard(keys.inflight);
  pipeline.zcard(keys.committed);
  pipeline.hget(keys.stats, 'bytes');
  pipeline.exists(keys.mainDown);
  pipeline.zrange(keys.pending, 0, 0);
  pipeline.zrange(keys.inflight, 0, 0);
  pipeline.get(keys.floor);
  pipeline.zrange(keys.committed, -1, -1, { withScores: true });
  pipeline.mget(...lastMinute);
  pipeline.exists(keys.noProgress);
  const [
    pending,
    inflight,
    committed,
    bytes,
    mainDown,
    firstPending,
    firstInflight,
    floor,
    newest,
    drained,
    noProgress,
  ] = answers.parse(await pipeline.exec());
  const stamps = [...firstPending, ...firstInflight].map((reference) => readReference(reference).stamp);
  const lsns = [floor ?? '0', newest[1] ?? '0'].map(BigInt);
  return {
    size: pending + inflight,
    committed,
    bytes: Number(bytes ?? 0),
    ...(stamps.length > 0 && { oldestStamp: Math.min(...stamps) }),
    drainedPerSecond: drained.reduce((sum, count) => sum + Number(count ?? 0), 0) / 60,
    newestLsn: lsns.reduce((highest, each) => (each > highest ? each : highest), 0n),
    isMainReachable: mainDown === 0,
    hasNoProgress: noProgress === 1,
  };
}
