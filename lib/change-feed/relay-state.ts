/** The position of the relay in the outbox, stored in Redis. The outbox is ordered by (transaction, row). */
import * as z from 'zod/mini';
import { redisHash } from '../redis/hash.ts';
import type { Site } from '../redis/site.ts';

export interface RelayState {
  /** `transaction:row`; undefined before the first relay */
  readonly cursor: string | undefined;
  /** transaction → last row relayed ahead of the cursor */
  readonly ahead: ReadonlyMap<string, string>;
}

const storedState = z.tuple([z.nullable(z.string()), redisHash]);

export async function readRelayState({ redis, keys }: Site): Promise<RelayState> {
  const pipeline = redis.pipeline();
  pipeline.get(keys.relay);
  pipeline.hgetall(keys.relayAhead);
  const [cursor, ahead] = storedState.parse(await pipeline.exec());
  return { cursor: cursor ?? undefined, ahead: new Map(Object.entries(ahead ?? {})) };
}

/** Transactions that the cursor has passed, which need not be remembered any more. */
export function passedBy(cursor: string | undefined, ahead: ReadonlyMap<string, string>): string[] {
  if (cursor === undefined) return [];
  return [...ahead].filter(([xid, id]) => !isAfterInOutbox(`${xid}:${id}`, cursor)).map(([xid]) => xid);
}

/** Compares positions in the order of the outbox. */
export function isAfterInOutbox(position: string, other: string): boolean {
  const [[xid = 0n, id = 0n] = [], [otherXid = 0n, otherId = 0n] = []] = [position, other].map((each) =>
    each.split(':').map(BigInt),
  );
  return xid > otherXid || (xid === otherXid && id > otherId);
}
